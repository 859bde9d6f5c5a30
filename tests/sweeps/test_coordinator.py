"""Leading a sweep, with an engine whose jobs do what a test says: what is done, started again, given up, and told."""

import errno
import json
import time

import pytest

from scribe_suite.errors import ConfigurationError
from scribe_suite.ledger.ledger import read_ledger
from scribe_suite.providers.leases import Leases
from scribe_suite.sweeps import coordinator
from scribe_suite.sweeps.coordinator import Coordinator, Pace, merge_sweep
from scribe_suite.sweeps.rounds import Rounds, write_rounds
from scribe_suite.sweeps.shard_job import lease_of
from tests.ledger.factories import failed
from tests.sweeps.plans import planned, records, write_shard

RECORDS = records()
SHARDS = {1: RECORDS[:2], 2: RECORDS[2:]}


class FakeEngine:
    """Runs each job at once, in this process.

    Args:
        work: What a job does: given the shard and how many jobs it had before, it returns its exit code, or None for
            a job of which nothing is heard.
    """

    name = "local"

    def __init__(self, folder, work):
        self.folder = folder
        self.work = work
        self.started = []
        self.answers = True
        self.most = 0

    def submit(self, jobs):
        self.most = max(self.most, len(jobs))
        for job in jobs:
            before = self.started.count(job.shard)
            self.started.append(job.shard)
            notes = self.folder.starts(job.shard)
            with notes.open("a") as file:
                file.write(json.dumps({"event": "start", "round": 1}) + "\n")
                code = self.work(job.shard, before)
                if code is not None:
                    file.write(json.dumps({"event": "end", "round": 1, "exit_code": code}) + "\n")
        return {job.shard: f"{len(self.started)}.{job.shard}" for job in jobs}

    def unfinished(self, jobs):
        answers, self.answers = self.answers, True
        return set() if answers else None

    def cancel(self, jobs):
        raise AssertionError("never called")


@pytest.fixture
def sweep(tmp_path):
    return planned(tmp_path / "sweep", SHARDS)


def lead(sweep, work, **pace):
    folder, plan = sweep
    said = []
    engine = FakeEngine(folder, work)
    code = Coordinator(folder, plan, engine, Pace(look_s=0.01, **pace), said.append).lead()
    return code, engine, "\n".join(said)


def merged(sweep):
    return read_ledger(sweep[0].merged("toys"))


def test_every_shard_is_run_once_and_merged(sweep):
    def work(shard, before):
        write_shard(*sweep, shard, SHARDS[shard])
        return 0

    code, engine, said = lead(sweep, work)
    assert (code, sorted(engine.started)) == (0, [1, 2])
    assert "4 of 4 attempts count; 2 of 2 shards are done" in said
    assert {record.nodeid for record in merged(sweep).records} == {record.nodeid for record in RECORDS}
    assert merged(sweep).end.missing == ()


def test_the_exit_code_is_that_of_the_attempts(sweep):
    def work(shard, before):
        unsolved = [record.model_copy(update={"outcome": "unsolved", "skill": 0.1}) for record in SHARDS[shard]]
        write_shard(*sweep, shard, unsolved)
        return 1

    assert lead(sweep, work)[0] == 1


def test_what_an_engine_says_of_a_job_makes_no_shard_done(sweep):
    def work(shard, before):
        if before == 0:
            write_shard(*sweep, shard, SHARDS[shard][:1], ended=False)
            return 0  # a job may end well and have been cut off all the same
        write_shard(*sweep, shard, SHARDS[shard][1:])
        return 0

    code, engine, _ = lead(sweep, work)
    assert (code, sorted(engine.started)) == (0, [1, 1, 2, 2])
    assert len(merged(sweep).records) == 4


def test_all_attempts_without_the_last_line_are_not_done(sweep):
    def work(shard, before):
        write_shard(*sweep, shard, [] if before else SHARDS[shard], ended=before > 0)
        return 0

    assert sorted(lead(sweep, work)[1].started) == [1, 1, 2, 2]


def test_a_shard_is_resumed_as_often_as_said_and_the_sweep_never_exits_0(sweep):
    def work(shard, before):
        if shard == 2:
            write_shard(*sweep, 2, SHARDS[2])
            return 0
        lost = failed("infrastructure:lost", provider="oracle", trial=1)
        write_shard(*sweep, 1, [lost] if before else [SHARDS[1][0], lost])
        return 3

    code, engine, said = lead(sweep, work)
    assert (code, engine.started.count(1), engine.started.count(2)) == (3, 3, 1)
    assert "shard 1 is left as it is: it was started 3 times and is not done" in said
    assert "1 of 4 attempts are missing or failed by infrastructure" in said
    assert [record.skill for record in merged(sweep).attempts if not record.counts] == [None]


def test_a_shard_of_which_nothing_is_ever_seen_is_missing_in_the_merged_ledger(sweep):
    def work(shard, before):
        if shard == 1:
            write_shard(*sweep, 1, SHARDS[1])
        return 0 if shard == 1 else None

    code, engine, _ = lead(sweep, work)
    assert (code, engine.started.count(2)) == (3, 3)
    assert merged(sweep).end is None  # it reads as cut off
    assert set(merged(sweep).header.planned) == {record.nodeid for record in RECORDS}


def test_a_run_that_pytest_refuses_is_not_tried_again(sweep):
    code, engine, said = lead(sweep, lambda _shard, _before: 4)
    assert (code, sorted(engine.started)) == (3, [1, 2])
    assert "pytest refused to start (exit code 4): see" in said
    assert "nothing to merge" in said


def test_a_folder_that_can_not_be_written_ends_the_command_and_is_no_result(sweep):
    def work(shard, before):
        raise OSError(errno.ENOSPC, "No space left on device")

    code, _, said = lead(sweep, work)
    assert code == 3
    assert "can't be read or written (No space left on device)" in said
    assert "sweep resume" in said


def test_a_shard_that_somebody_works_on_is_not_started_though_the_engine_knows_no_job(sweep):
    folder, plan = sweep
    write_shard(*sweep, 2, SHARDS[2])
    lease = Leases(folder.leases, beat_s=0.05, expire_s=0.5).take([lease_of(1)])
    engine = FakeEngine(folder, lambda _shard, _before: 0)
    leading = Coordinator(folder, plan, engine, Pace(look_s=0.01, beat_s=0.05, expire_s=0.5), lambda _said: None)
    end = time.monotonic() + 1.2
    while time.monotonic() < end:
        assert leading._step() is False
        time.sleep(0.05)
    assert engine.started == []
    lease.close()
    leading._step()
    assert engine.started == [1]


def test_nothing_is_started_while_the_engine_does_not_answer(sweep):
    folder, plan = sweep
    engine = FakeEngine(folder, lambda _shard, _before: 4)
    engine.answers = False
    leading = Coordinator(folder, plan, engine, Pace(look_s=0.01), lambda _said: None)
    assert leading._step() is False
    assert engine.started == []
    assert leading._step() is False
    assert engine.started == [1, 2]


def test_no_more_jobs_than_said_run_at_once(sweep):
    def work(shard, before):
        write_shard(*sweep, shard, SHARDS[shard])
        return 0

    code, engine, _ = lead(sweep, work, at_once=1)
    assert (code, engine.most, sorted(engine.started)) == (0, 1, [1, 2])


def test_a_shard_without_budget_waits_for_more(sweep):
    def work(shard, before):
        out = failed("infrastructure:sweep_budget", provider="oracle", trial=SHARDS[shard][1].trial)
        write_shard(*sweep, shard, [SHARDS[shard][0], out])
        return 3

    code, engine, said = lead(sweep, work)
    assert (code, sorted(engine.started)) == (3, [1, 2])
    assert "the budget does not let its other attempts begin" in said


def test_a_cancelled_sweep_starts_nothing(sweep):
    write_rounds(sweep[0].rounds, Rounds(cancelled=True))
    code, engine, said = lead(sweep, lambda _shard, _before: 0)
    assert (code, engine.started) == (3, [])
    assert "cancelled" in said


@pytest.mark.parametrize("changes", [{"run_seed": 12}, {"shard": "1/3"}, {"shard": None}])
def test_a_ledger_of_another_run_is_refused(sweep, changes):
    write_shard(*sweep, 1, SHARDS[1], **changes)
    with pytest.raises(ConfigurationError, match="is not the ledger of shard 1/2 of this sweep"):
        lead(sweep, lambda _shard, _before: 0)


def test_a_job_that_an_engine_does_not_know_yet_is_not_started_twice(sweep, monkeypatch):
    folder, plan = sweep
    engine = FakeEngine(folder, lambda _shard, _before: None)
    engine.name = "slurm"
    leading = Coordinator(folder, plan, engine, Pace(), lambda _said: None)
    leading._step()
    leading._step()
    assert sorted(engine.started) == [1, 2]
    monkeypatch.setattr(coordinator, "SETTLE_S", 0.0)
    leading._step()
    assert sorted(engine.started) == [1, 1, 2, 2]


def test_a_sweep_without_ledgers_can_not_be_merged(sweep):
    assert merge_sweep(*sweep) is None
