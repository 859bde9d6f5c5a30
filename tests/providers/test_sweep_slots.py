"""Places and pauses that machines share."""

import multiprocessing
import time

import pytest

from scribe_suite.errors import InfrastructureError
from scribe_suite.providers.sweep_slots import BELOW, SweepSlots

FORK = multiprocessing.get_context("fork")


def work(sweep, log, hold_s, started=None):
    if started:
        started.wait(60)
    with SweepSlots(sweep, "claude", 2, beat_s=0.1, expire_s=1.0).place():
        log.put((time.monotonic(), 1))
        time.sleep(hold_s)
        log.put((time.monotonic(), -1))


def test_no_more_attempts_than_places_run_over_all_processes(tmp_path):
    log, started = FORK.Queue(), FORK.Barrier(5)
    processes = [FORK.Process(target=work, args=(tmp_path, log, 1.0, started)) for _ in range(5)]
    for process in processes:
        process.start()
    inside = most = 0
    for _, change in sorted(log.get(timeout=60) for _ in range(10)):
        inside += change
        most = max(most, inside)
    assert most == 2
    for process in processes:
        process.join(10)


def test_a_pause_of_one_holds_for_all(tmp_path):
    SweepSlots(tmp_path, "claude", 2).pause(0.6)
    begin = time.monotonic()
    with SweepSlots(tmp_path, "claude").place(), SweepSlots(tmp_path, "codex").place():
        assert 0.3 < time.monotonic() - begin < 5


def test_a_folder_that_can_not_be_used_is_an_infrastructure_failure(tmp_path):
    (tmp_path / "shared").write_text("no folder")
    with pytest.raises(InfrastructureError) as failed, SweepSlots(tmp_path, "claude", 1).place():
        pass
    assert failed.value.cause == "slots"
    assert BELOW in str(failed.value)
