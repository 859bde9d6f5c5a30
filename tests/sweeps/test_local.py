"""Whole sweeps with jobs on this machine: nothing lost, nothing twice, nothing scored that infrastructure failed."""

import os
import signal
from collections import Counter

import psutil
import pytest

from scribe_suite.sweeps.shard_job import notes_of
from tests.sweeps.conftest import assert_all_backed_off, fill, small_disk, wait_for

pytestmark = pytest.mark.slow

#: An agent that takes its time, and is right.
SLOWLY = (
    "import time; time.sleep(2); "
    "answer = dict(components=[n for n, v in values.items() if v > 10], confidence=1, summary='above')"
)


def counting(sweeps):
    """Node id -> records that count, in the merged ledger."""
    return Counter(record.nodeid for record in sweeps.merged.records if record.counts)


def test_a_sweep_is_one_run_at_the_end(sweeps):
    code, printed, _ = sweeps.plan(["oracle", "null"], trials=2, shards=2, more="[budget]\nhours = 2.0\n")
    assert (code, "4 attempts in 2 shards, 2 each" in printed) == (0, True), printed
    code, printed, errors = sweeps.run("--jobs", "2")
    assert code == 1, printed + errors + sweeps.logs()  # null solves nothing
    assert set(counting(sweeps).values()) == {1}
    merged = sweeps.merged
    assert len(merged.header.planned) == 4
    assert merged.header.shard is None
    assert merged.end is not None
    assert {record.outcome for record in merged.attempts} == {"solved", "no_answer"}
    assert sweeps.command("status", str(sweeps.folder))[0] == 0
    assert sweeps.command("watch", str(sweeps.folder))[0] == 0
    # nothing is done again
    before = sweeps.merged.records
    assert sweeps.run()[0] == 1
    assert sweeps.merged.records == before


def processes(sweeps, word):
    """Processes of this sweep's jobs whose command line has the word."""
    found = []
    for process in psutil.process_iter():
        try:
            words = process.cmdline()
        except psutil.Error:
            continue
        if any(word in one for one in words) and any(str(sweeps.folder) in one for one in words):
            found.append(process)
    return found


def test_killed_jobs_and_a_killed_leader_lose_and_repeat_nothing(sweeps, monkeypatch):
    monkeypatch.setenv("TOY_CODE", SLOWLY)
    assert sweeps.plan(["says"], trials=6, shards=1)[0] == 0
    options = ("--expire", "3")
    leader = sweeps.start(*options)
    wait_for(lambda: sweeps.recorded() >= 1)
    for process in processes(sweeps, "--shard="):  # pytest, as when memory is short
        process.kill()
    wait_for(lambda: len(notes_of(sweeps.layout, 1)) >= 3)
    leader.kill()
    leader.communicate()
    wait_for(lambda: sweeps.recorded() >= 3)
    for process in processes(sweeps, "submitit"):  # the job and what started it, as when a machine is lost
        process.kill()
    leader = sweeps.start(*options)
    printed, _ = leader.communicate(timeout=300)
    assert leader.returncode == 0, printed + sweeps.logs()
    assert counting(sweeps) == Counter(dict.fromkeys(sweeps.merged.header.planned, 1))
    assert len(sweeps.merged.header.planned) == 6
    assert {record.skill for record in sweeps.merged.attempts} == {1.0}


def test_infrastructure_failures_are_retried_as_often_as_said_and_never_scored(sweeps):
    assert sweeps.plan(["nologin", "oracle"], more="resumptions = 1\n")[0] == 0
    code, printed, _ = sweeps.run()
    assert code == 3, printed
    assert "shard 1 is left as it is: it was started 2 times and is not done." in printed
    assert "1 of 2 attempts are missing or failed by infrastructure" in printed
    by_provider = {record.provider: record for record in sweeps.merged.attempts}
    assert by_provider["nologin"].outcome == "infrastructure:not_logged_in"
    assert by_provider["nologin"].skill is None
    assert by_provider["oracle"].outcome == "solved"
    code, printed, _ = sweeps.command("status", str(sweeps.folder))
    assert (code, "1 infrastructure:not_logged_in" in printed) == (1, True)


def test_a_sweep_stops_before_its_budget_is_passed_and_goes_on_with_more(sweeps):
    more = "[limits]\nmax_cost_usd = 0.3\n[budget]\nusd = 0.8\n[expected]\nusd = 0.2\n"
    code, _, errors = sweeps.plan(["limited"], trials=5, shards=2, more=more)
    assert (code, "does not fit its budget: it will take 1 US dollars of 0.8" in errors) == (2, True), errors
    assert not sweeps.folder.exists()
    code, printed, errors = sweeps.plan(["limited"], trials=4, shards=2, more=more)
    assert code == 0, errors
    code, printed, _ = sweeps.run("--jobs", "2")
    assert code == 3, printed
    assert "the budget does not let its other attempts begin" in printed
    outcomes = Counter(record.outcome for record in sweeps.merged.attempts)
    assert outcomes == {"limit_reached": 3, "infrastructure:sweep_budget": 1}  # 3 x 0.25, and 0.3 more is too much
    code, printed, _ = sweeps.run("--usd", "1.5", action="resume")
    assert code == 1, printed
    assert "1.00 of 1.50 US dollars" in printed
    assert Counter(record.outcome for record in sweeps.merged.attempts) == {"limit_reached": 4}


def test_one_429_backs_off_the_other_jobs_too(sweeps, monkeypatch):
    log = sweeps.suite.folder / "begun.txt"
    monkeypatch.setenv("THROTTLED_LOG", str(log))
    assert sweeps.plan(["throttled"], trials=6, shards=2)[0] == 0
    code, printed, _ = sweeps.run("--jobs", "2")
    assert code == 1, printed + sweeps.logs()  # it answers nothing
    assert_all_backed_off(log, 6)


def test_a_full_disk_under_the_whole_sweep_loses_no_attempt(sweeps, monkeypatch):
    monkeypatch.setenv("TOY_CODE", SLOWLY)
    disk = sweeps.folder.parent
    disk.mkdir(parents=True)
    with small_disk(disk, "8m"):
        assert sweeps.plan(["says"], trials=6, shards=2)[0] == 0
        leader = sweeps.start("--jobs", "2", "--expire", "3")
        wait_for(lambda: sweeps.recorded() >= 1)
        filler = fill(disk)
        printed, _ = leader.communicate(timeout=300)
        assert leader.returncode == 3, printed
        assert "can't be read or written (No space left on device)" in printed or "missing or failed" in printed
        filler.unlink()
        code, printed, errors = sweeps.run("--jobs", "2", "--expire", "3", action="resume")
        assert code == 0, printed + errors + sweeps.logs()
        assert counting(sweeps) == Counter(dict.fromkeys(sweeps.merged.header.planned, 1))
        assert len(sweeps.merged.header.planned) == 6
        assert {record.skill for record in sweeps.merged.attempts} == {1.0}


def test_a_cancelled_sweep_ends_and_can_be_resumed(sweeps, monkeypatch):
    monkeypatch.setenv("TOY_CODE", SLOWLY)
    assert sweeps.plan(["says"], trials=4)[0] == 0
    leader = sweeps.start()
    wait_for(lambda: sweeps.recorded() >= 1)
    code, printed, _ = sweeps.command("cancel", str(sweeps.folder))
    assert (code, "1 jobs were asked to end" in printed) == (0, True), printed
    printed, _ = leader.communicate(timeout=120)
    assert leader.returncode == 3, printed
    code, _, errors = sweeps.run()
    assert (code, "sweep resume" in errors) == (2, True)
    code, printed, _ = sweeps.run("--expire", "3", action="resume")
    assert code == 0, printed + sweeps.logs()
    assert set(counting(sweeps).values()) == {1}


def test_a_second_leader_is_refused(sweeps, monkeypatch):
    monkeypatch.setenv("TOY_CODE", SLOWLY)
    assert sweeps.plan(["says"], trials=5)[0] == 0
    leader = sweeps.start("--expire", "2")
    wait_for(lambda: sweeps.recorded() >= 1)
    code, _, errors = sweeps.run("--expire", "2")
    assert code == 2
    assert "led already" in errors
    os.kill(leader.pid, signal.SIGINT)
    leader.communicate(timeout=60)
    sweeps.command("cancel", str(sweeps.folder))
    wait_for(lambda: not processes(sweeps, "submitit"))
