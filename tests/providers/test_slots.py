"""Places and pauses that processes share."""

import multiprocessing
import os
import signal
import time

import pytest

from scribe_suite.errors import InfrastructureError
from scribe_suite.providers.slots import LONGEST_PAUSE_S, Slots

FORK = multiprocessing.get_context("fork")


def work(folder, places, log, hold_s):
    with Slots(folder, "claude", places).place():
        log.put(("in", time.monotonic()))
        time.sleep(hold_s)
        log.put(("out", time.monotonic()))


def start(*arguments):
    process = FORK.Process(target=work, args=arguments)
    process.start()
    return process


def test_no_more_processes_than_places_are_in_at_a_time(tmp_path):
    log = FORK.Queue()
    processes = [start(tmp_path / "shared", 2, log, 0.3) for _ in range(6)]
    events = sorted((log.get(timeout=30) for _ in range(12)), key=lambda event: event[1])
    for process in processes:
        process.join(10)
    inside = most = 0
    for kind, _ in events:
        inside += 1 if kind == "in" else -1
        most = max(most, inside)
    assert most == 2


def test_the_place_of_a_killed_process_is_free(tmp_path):
    log = FORK.Queue()
    process = start(tmp_path, 1, log, 60)
    log.get(timeout=10)
    os.kill(process.pid, signal.SIGKILL)
    process.join(10)
    begin = time.monotonic()
    with Slots(tmp_path, "claude", 1).place():
        assert time.monotonic() - begin < 5


def test_providers_do_not_wait_for_each_other(tmp_path):
    with Slots(tmp_path, "claude", 1).place(), Slots(tmp_path, "codex", 1).place():
        pass


def test_without_a_number_nobody_waits_and_nothing_is_written(tmp_path):
    with Slots(tmp_path / "shared", "claude").place(), Slots(tmp_path / "shared", "claude").place():
        assert not (tmp_path / "shared").exists()


def test_a_pause_holds_up_everybody_of_that_provider(tmp_path):
    begin = time.monotonic()
    Slots(tmp_path, "claude").pause(0.5)
    with Slots(tmp_path, "claude").place():
        assert 0.4 < time.monotonic() - begin < 30
    assert Slots(tmp_path, "claude").pause_left() == 0


def test_a_pause_is_that_of_one_provider(tmp_path):
    Slots(tmp_path, "claude").pause(100)
    begin = time.monotonic()
    with Slots(tmp_path, "codex").place():
        assert time.monotonic() - begin < 60


def test_a_longer_pause_stays_and_none_is_endless(tmp_path):
    slots = Slots(tmp_path, "claude")
    slots.pause(100)
    slots.pause(1)
    assert 90 < slots.pause_left() <= 100
    (tmp_path / "claude.pause").write_text("99999999999")
    assert slots.pause_left() == LONGEST_PAUSE_S
    (tmp_path / "claude.pause").write_text("not a number")
    assert slots.pause_left() == 0


def test_a_folder_that_can_not_be_made_is_infrastructure(tmp_path):
    (tmp_path / "file").write_text("")
    slots = Slots(tmp_path / "file" / "shared", "claude", 1)
    slots.pause(5)
    with pytest.raises(InfrastructureError, match="--max-concurrent needs locks"), slots.place():
        pass


def test_what_others_left_in_the_folder_is_neither_followed_nor_waited_for(tmp_path):
    (tmp_path / "mine").write_text("mine")
    shared = tmp_path / "runs" / ".shared" / "run"
    shared.mkdir(parents=True)
    (shared / "claude.0.lock").symlink_to(tmp_path / "mine")
    os.mkfifo(shared / "codex.0.lock")
    os.mkfifo(shared / "claude.pause")
    (shared / "codex.pause").symlink_to(tmp_path / "mine")
    for provider in ("claude", "codex"):
        slots = Slots(shared, provider, 1)
        assert slots.pause_left() == 0
        slots.pause(5)
        assert slots.pause_left() > 0
        with pytest.raises(InfrastructureError, match="needs locks"), slots.place():
            pass
    assert (tmp_path / "mine").read_text() == "mine"


@pytest.mark.slow
def test_workers_share_the_places_of_a_run(suite, monkeypatch):
    monkeypatch.setenv("TOY_CODE", "import time; time.sleep(2); answer = None")
    run = suite.run("--provider", "says", "--trials", "4", "-n", "4", "--max-concurrent", "says=1,null=2")
    waits = sorted(record.times.queue_s for record in run.ledger.attempts)
    assert waits[0] < 2, run.output
    assert waits[-1] > 4


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("says", "'says' is not of the form PROVIDER=N"),
        ("nobody=1", "'nobody' is not a provider"),
        ("says=two", "'two' is not a whole number"),
        ("says=1,null=0", "'null=0' lets none run"),
    ],
)
def test_a_bad_number_of_places_is_a_usage_error(suite, value, message):
    run = suite.run("--max-concurrent", value)
    assert run.ret == pytest.ExitCode.USAGE_ERROR
    assert message in run.output
