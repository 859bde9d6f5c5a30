"""One job of a sweep: it looks at the ledger, and makes way for a job that has taken its shard over."""

import fcntl
import os
import signal
import sys
import threading
import time

import pytest

from scribe_suite.errors import ConfigurationError
from scribe_suite.providers.leases import Leases
from scribe_suite.sweeps.folder import SweepFolder
from scribe_suite.sweeps.plan import Plan
from scribe_suite.sweeps.rounds import Rounds, write_rounds
from scribe_suite.sweeps.shard_job import BUSY, CANCELLED, GIVEN_UP, ShardJob, failed_on, lease_of, notes_of
from scribe_suite.watching.status_files import running_folder
from tests.sweeps.plans import planned, records, write_shard

RECORDS = records(2)
WAITS = "import pathlib, sys, time; pathlib.Path(sys.argv[1]).touch(); time.sleep(60)"


@pytest.fixture
def sweep(tmp_path):
    return planned(tmp_path / "sweep", {1: RECORDS})


class Commands:
    """What a job runs in place of pytest.

    Attributes:
        words: Arguments of Python.
        resumed: The ledgers that jobs were to resume, or None, in their order.
    """

    def __init__(self):
        self.words = ("-c", "raise SystemExit(3)")
        self.resumed = []


@pytest.fixture
def commands(monkeypatch):
    made = Commands()

    def command(plan, shard, folder, ledger):
        made.resumed.append(ledger)
        return [sys.executable, *made.words]

    monkeypatch.setattr(Plan, "command", command)
    return made


def job(folder: SweepFolder) -> ShardJob:
    return ShardJob(str(folder.path), 1, beat_s=0.1, expire_s=0.6)


def test_a_job_notes_when_it_began_and_how_it_ended(sweep, commands):
    assert job(sweep[0])() == 3
    started, ended = notes_of(sweep[0], 1)
    assert (started["event"], started["round"], started["resumed"]) == ("start", 1, False)
    assert (ended["event"], ended["exit_code"]) == ("end", 3)
    assert Leases(sweep[0].leases).take([lease_of(1)]) is not None  # it is free again


def test_a_shard_that_is_done_is_not_run_again(sweep, commands):
    write_shard(*sweep, 1, RECORDS)
    assert job(sweep[0])() == 0
    assert commands.resumed == []


def test_what_is_left_is_resumed(sweep, commands):
    path = write_shard(*sweep, 1, RECORDS[:1], ended=False)
    job(sweep[0])()
    assert commands.resumed == [path]


def test_a_ledger_that_was_cut_off_in_its_header_is_set_aside(sweep, commands):
    path = write_shard(*sweep, 1, [])
    path.write_bytes(path.read_bytes()[:30])
    job(sweep[0])()
    assert commands.resumed == [None]
    assert len(list(path.parent.glob("*.torn*"))) == 1


def test_a_damaged_ledger_is_not_run_over(sweep, commands):
    path = write_shard(*sweep, 1, RECORDS[:1])
    path.write_bytes(path.read_bytes().replace(b'"line":"attempt"', b'"line":"xxx"'))
    with pytest.raises(ConfigurationError, match="is not a line of a ledger"):
        job(sweep[0])()
    assert commands.resumed == []


def test_no_job_starts_more_often_than_the_plan_says(sweep, commands):
    codes = [job(sweep[0])() for _ in range(5)]
    assert codes == [3, 3, 3, GIVEN_UP, GIVEN_UP]  # two resumptions
    write_rounds(sweep[0].rounds, Rounds(number=2))
    assert job(sweep[0])() == 3


def test_machines_where_a_job_failed_are_known_and_interrupted_jobs_are_no_failures(sweep, commands, monkeypatch):
    for node, code in (("n0", 3), ("n1", 2), ("n2", 4)):
        monkeypatch.setenv("SLURMD_NODENAME", node)
        commands.words = ("-c", f"raise SystemExit({code})")
        job(sweep[0])()
    assert failed_on(sweep[0], 1, 1) == ("n0", "n2")
    assert failed_on(sweep[0], 1, 2) == ()


def test_a_cancelled_sweep_runs_nothing(sweep, commands):
    write_rounds(sweep[0].rounds, Rounds(cancelled=True))
    assert job(sweep[0])() == CANCELLED
    assert commands.resumed == []


def test_a_job_ends_while_another_lives_that_has_the_shard(sweep, commands):
    lease = Leases(sweep[0].leases, beat_s=0.1, expire_s=0.6).take([lease_of(1)])
    assert job(sweep[0])() == BUSY
    lease.close()
    assert job(sweep[0])() == 3


def test_a_job_waits_for_whoever_still_writes_the_ledger_and_then_ends(sweep, commands):
    path = write_shard(*sweep, 1, RECORDS[:1], ended=False)
    sign = running_folder(path.parent, path.stem) / "controller.json"
    sign.parent.mkdir(parents=True)
    over = threading.Event()

    def live():
        while not over.wait(0.05):
            sign.write_text("{}")

    thread = threading.Thread(target=live)
    thread.start()
    with path.open("r+b") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert job(sweep[0])() == BUSY
    over.set()
    thread.join()
    assert notes_of(sweep[0], 1) == []
    assert job(sweep[0])() == 3


def test_what_a_frozen_process_has_locked_goes_on_in_a_copy(sweep, commands):
    path = write_shard(*sweep, 1, RECORDS[:1], ended=False)
    content = path.read_bytes()
    with path.open("ab") as frozen:
        fcntl.flock(frozen, fcntl.LOCK_EX)
        frozen.write(b'{"line":"att')  # in the middle of a line
        frozen.flush()
        assert job(sweep[0])() == 3
        frozen.write(b"what it writes when it wakes up")
    assert commands.resumed == [path]
    assert path.read_bytes() == content
    assert [one.name for one in path.parent.iterdir()] == [path.name]


def test_a_job_whose_shard_was_taken_over_ends_its_pytest_and_says_nothing(sweep, commands, tmp_path):
    commands.words = ("-c", WAITS, str(tmp_path / "begun"))

    def take_over():
        while not (tmp_path / "begun").exists():
            time.sleep(0.05)
        (sweep[0].leases / f"{lease_of(1)}.g2").write_text("another machine 0\n")

    thread = threading.Thread(target=take_over)
    thread.start()
    begin = time.monotonic()
    job(sweep[0])()
    thread.join()
    assert time.monotonic() - begin < 20
    assert [note["event"] for note in notes_of(sweep[0], 1)] == ["start"]
    assert (sweep[0].leases / f"{lease_of(1)}.g2").read_text() == "another machine 0\n"


def test_a_job_that_is_asked_to_end_ends_its_pytest(sweep, commands, tmp_path):
    commands.words = ("-c", WAITS, str(tmp_path / "begun"))

    def ask():
        while not (tmp_path / "begun").exists():
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGTERM)

    before = signal.getsignal(signal.SIGTERM)
    thread = threading.Thread(target=ask)
    thread.start()
    code = job(sweep[0])()
    thread.join()
    assert code != 0
    assert signal.getsignal(signal.SIGTERM) is before
    assert notes_of(sweep[0], 1)[-1]["event"] == "end"
