"""Sweeps on a real Slurm with two nodes: whatever dies, nothing is lost, nothing twice, nothing scored 0."""

import time
from collections import Counter

import pytest

from scribe_suite.ledger.ledger import read_ledger
from scribe_suite.sweeps.shard_job import notes_of
from tests.sweeps import slurm as slurm_module
from tests.sweeps.conftest import SPEC, wait_for
from tests.sweeps.slurm import Slurm
from tests.sweeps.test_local import SLOWLY

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(slurm_module.unavailable() is not None, reason=str(slurm_module.unavailable())),
]
OPTIONS = ("--engine", "slurm", "--partition", "all", "--cpus", "2", "--expire", "8")


@pytest.fixture
def slurm(tmp_path, monkeypatch):
    running = Slurm(tmp_path / "slurm")
    try:
        running.start()
        for name, value in running.environment.items():
            monkeypatch.setenv(name, value)
        yield running
    finally:
        running.stop()


def running_jobs(slurm, node=""):
    """Ids of jobs that run, on one node or on all."""
    lines = slurm.output("squeue", "--noheader", "--states=running", "--format=%i %N", check=False).splitlines()
    return [line.split()[0] for line in lines if line.endswith(node)]


def all_count_once(path, planned):
    """What is wrong with a merged ledger; empty when every attempt counts exactly once."""
    ledger = read_ledger(path)
    counted = Counter(record.nodeid for record in ledger.records if record.counts)
    wrong = [f"{nodeid}: {counted[nodeid]} records count" for nodeid in ledger.header.planned if counted[nodeid] != 1]
    return [*wrong, *([] if len(ledger.header.planned) == planned else [f"{len(ledger.header.planned)} are planned"])]


@pytest.mark.timeout(1700)
def test_nothing_is_lost_twice_or_scored_0_whatever_dies(sweeps, slurm, monkeypatch):
    monkeypatch.setenv("TOY_CODE", SLOWLY.replace("sleep(2)", "sleep(6)"))
    assert sweeps.plan(["says", "null"], trials=12, shards=4, more="resumptions = 6\n")[0] == 0
    other = sweeps.suite.write(
        "other.toml", SPEC.format(providers='["oracle"]', trials=2, shards=1, more="").replace("toys", "other")
    )
    assert sweeps.command("plan", str(other))[0] == 0
    leader = sweeps.start(*OPTIONS)
    second = sweeps.start(*OPTIONS, folder=sweeps.folder.parent / "other")
    try:
        # a step is cancelled
        wait_for(lambda: sweeps.recorded() >= 1 and running_jobs(slurm), 300)
        slurm.output("scancel", f"{running_jobs(slurm)[0]}.0", check=False)
        # a node's daemon dies: its jobs are started again elsewhere while their first processes still live
        wait_for(lambda: running_jobs(slurm, "n1"), 300)
        slurm.kill("n1")
        wait_for(lambda: "down" in slurm.output("sinfo", "--noheader", "--nodes=n1", "--format=%T"), 120)
        slurm.start_node("n1")
        # the controller is away for a while: nothing is started meanwhile, and jobs go on
        slurm.kill("slurmctld")
        time.sleep(5)
        slurm.start_controller()
        # a job is put back into the queue
        wait_for(lambda: running_jobs(slurm), 300)
        slurm.output("scontrol", "requeue", running_jobs(slurm)[0], check=False)
        printed, _ = leader.communicate(timeout=900)
        printed_second, _ = second.communicate(timeout=300)
    finally:
        leader.kill()
        second.kill()
    assert leader.returncode == 1, printed + sweeps.logs() + slurm.logs()  # null solves nothing
    assert second.returncode == 0, printed_second
    assert all_count_once(sweeps.folder / "toys.jsonl", 24) == []
    assert all_count_once(sweeps.folder.parent / "other" / "other.jsonl", 2) == []
    outcomes = Counter((record.provider, record.outcome) for record in sweeps.merged.attempts)
    assert outcomes == {("says", "solved"): 12, ("null", "no_answer"): 12}


def test_jobs_that_wait_are_cancelled_too(sweeps, slurm):
    assert sweeps.plan(["oracle"], trials=2, shards=2)[0] == 0
    for node in slurm_module.NODES:
        slurm.output("scontrol", "update", f"nodename={node}", "state=drain", "reason=test")
    leader = sweeps.start(*OPTIONS)
    wait_for(lambda: len(slurm.output("squeue", "--noheader", "--array").splitlines()) == 2)
    code, printed, _ = sweeps.command("cancel", str(sweeps.folder))
    assert (code, "2 jobs were asked to end" in printed) == (0, True), printed
    printed, _ = leader.communicate(timeout=120)
    assert leader.returncode == 3, printed
    assert "no shard has a ledger" in printed


@pytest.mark.timeout(900)
def test_provider_limits_hold_over_both_nodes(sweeps, slurm, monkeypatch):
    log = sweeps.suite.folder / "at_once.txt"
    noted = "open({!r}, 'a').write(f'{{time.time()}} {}\\n')"
    watched = f"{noted.format(str(log), 1)}; time.sleep(1.5); {noted.format(str(log), -1)}"
    monkeypatch.setenv("TOY_CODE", f"import time; {watched}; {SLOWLY.replace('sleep(2)', 'sleep(0)')}")
    assert sweeps.plan(["says"], trials=6, shards=3, more="[max_concurrent]\nsays = 1\n")[0] == 0
    leader = sweeps.start(*OPTIONS)
    printed, _ = leader.communicate(timeout=600)
    assert leader.returncode == 0, printed + sweeps.logs() + slurm.logs()
    events = sorted((float(when), int(change)) for when, change in map(str.split, log.read_text().splitlines()))
    inside = most = 0
    for _, change in events:
        inside += change
        most = max(most, inside)
    assert (len(events), most) == (12, 1)
    machines = slurm.output("sacct", check=False)  # there is no accounting, and nothing needed it
    assert machines == ""


@pytest.mark.timeout(900)
def test_a_preempted_job_goes_on_where_it_was(sweeps, slurm, monkeypatch):
    monkeypatch.setenv("TOY_CODE", SLOWLY.replace("sleep(2)", "sleep(6)"))
    assert sweeps.plan(["says"], trials=4, shards=1)[0] == 0
    leader = sweeps.start(*OPTIONS)
    wait_for(lambda: sweeps.recorded() >= 1 and running_jobs(slurm), 300)
    slurm.output("scancel", "--signal=USR2", running_jobs(slurm)[0])  # as Slurm does before it preempts
    printed, _ = leader.communicate(timeout=600)
    assert leader.returncode == 0, printed + sweeps.logs() + slurm.logs()
    assert all_count_once(sweeps.folder / "toys.jsonl", 4) == []
    starts = [note for note in notes_of(sweeps.layout, 1) if note["event"] == "start"]
    assert [note["resumed"] for note in starts] == [False, True]
