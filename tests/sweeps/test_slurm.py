"""Sweeps on a real Slurm with two nodes: whatever dies, nothing is lost, nothing twice, nothing scored 0."""

import contextlib
import time
from collections import Counter

import psutil
import pytest

from scribe_suite.ledger.ledger import read_ledger
from scribe_suite.sweeps.shard_job import notes_of
from tests.sweeps import slurm as slurm_module
from tests.sweeps.conftest import SPEC, assert_all_backed_off, full_disk, wait_for
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
    monkeypatch.setenv("TOY_CODE", SLOWLY.replace("sleep(2)", "sleep(4)"))
    assert sweeps.plan(["says", "null"], trials=20, shards=5, more="resumptions = 6\n")[0] == 0
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
    assert all_count_once(sweeps.folder / "toys.jsonl", 40) == []
    assert all_count_once(sweeps.folder.parent / "other" / "other.jsonl", 2) == []
    outcomes = Counter((record.provider, record.outcome) for record in sweeps.merged.attempts)
    assert outcomes == {("says", "solved"): 20, ("null", "no_answer"): 20}


@pytest.mark.timeout(1200)
def test_a_frozen_node_loses_its_shards_and_spoils_nothing_when_it_wakes_up(sweeps, slurm, monkeypatch):
    monkeypatch.setenv("TOY_CODE", SLOWLY)
    assert sweeps.plan(["says"], trials=8, shards=2, more="resumptions = 2\n")[0] == 0
    leader = sweeps.start(*OPTIONS, "--cpus", "4")
    frozen = []
    try:
        wait_for(lambda: running_jobs(slurm, "n1") and sweeps.recorded() >= 2, 300)
        frozen = slurm.freeze("n1", jobs=True)
        assert len(frozen) > 3
        printed, _ = leader.communicate(timeout=900)
        assert leader.returncode == 0, printed + sweeps.logs() + slurm.logs()
        assert all_count_once(sweeps.folder / "toys.jsonl", 8) == []
        before = {path: path.read_bytes() for path in sweeps.folder.glob("shards/*/*.jsonl")}
    finally:
        leader.kill()
        for process in frozen:
            with contextlib.suppress(psutil.Error):
                process.resume()
    wait_for(lambda: not any(process.is_running() for process in frozen[1:]), 120)
    assert {path: path.read_bytes() for path in sweeps.folder.glob("shards/*/*.jsonl")} == before
    assert {record.skill for record in sweeps.merged.attempts} == {1.0}


@pytest.mark.timeout(1200)
def test_jobs_go_on_while_their_node_does_not_answer(sweeps, slurm, monkeypatch):
    """Slurm starts them again elsewhere; that must not use up resumptions, of which there are none."""
    monkeypatch.setenv("TOY_CODE", SLOWLY.replace("sleep(2)", "sleep(8)"))
    assert sweeps.plan(["says"], trials=8, shards=2, more="resumptions = 0\n")[0] == 0
    leader = sweeps.start(*OPTIONS, "--cpus", "4")
    frozen = []
    try:
        wait_for(lambda: running_jobs(slurm, "n1") and sweeps.recorded() >= 1, 300)
        frozen = slurm.freeze("n1", jobs=False)
        wait_for(lambda: "down" in slurm.output("sinfo", "--noheader", "--nodes=n1", "--format=%T"), 120)
        printed, _ = leader.communicate(timeout=900)
    finally:
        leader.kill()
        for process in frozen:
            process.resume()
    assert leader.returncode == 0, printed + sweeps.logs() + slurm.logs()
    assert all_count_once(sweeps.folder / "toys.jsonl", 8) == []
    assert [sum(note["event"] == "start" for note in notes_of(sweeps.layout, shard)) for shard in (1, 2)] == [1, 1]


@pytest.mark.timeout(900)
def test_what_a_node_can_not_launch_is_launched_elsewhere(sweeps, slurm):
    """Slurm drains such a node, and holds its jobs until a person releases them."""
    slurm.break_node("n0")
    assert sweeps.plan(["oracle"], trials=4, shards=2, more="resumptions = 2\n")[0] == 0
    leader = sweeps.start(*OPTIONS, "--cpus", "4")
    printed, _ = leader.communicate(timeout=600)
    assert leader.returncode == 0, printed + sweeps.logs() + slurm.logs()
    assert all_count_once(sweeps.folder / "toys.jsonl", 4) == []
    assert "drain" in slurm.output("sinfo", "--noheader", "--nodes=n0", "--format=%T")
    wait_for(lambda: slurm.output("squeue", "--noheader") == "", 60)  # nothing is held any more


@pytest.mark.timeout(900)
def test_a_full_disk_on_one_node_costs_resumptions_and_no_attempt(sweeps, slurm, monkeypatch, tmp_path):
    monkeypatch.setenv("TOY_CODE", SLOWLY)
    for name in slurm_module.NODES:
        (tmp_path / f"disk.{name}").mkdir()
    with full_disk(tmp_path / "disk.n1"):
        assert sweeps.plan(["says"], trials=6, shards=2, more="resumptions = 3\n")[0] == 0
        temporary = f"export TMPDIR={tmp_path}/disk.$SLURMD_NODENAME"
        leader = sweeps.start(*OPTIONS, "--cpus", "4", "--prologue", temporary)
        printed, _ = leader.communicate(timeout=600)
    assert leader.returncode == 0, printed + sweeps.logs() + slurm.logs()
    assert all_count_once(sweeps.folder / "toys.jsonl", 6) == []
    assert {record.skill for record in sweeps.merged.records if record.counts} == {1.0}
    machines = {note["machine"] for shard in (1, 2) for note in notes_of(sweeps.layout, shard)}
    assert machines == {"n0", "n1"}


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
def test_one_429_backs_off_the_other_node_too(sweeps, slurm, monkeypatch):
    log = sweeps.suite.folder / "begun.txt"
    monkeypatch.setenv("THROTTLED_LOG", str(log))
    assert sweeps.plan(["throttled"], trials=6, shards=2)[0] == 0
    leader = sweeps.start(*OPTIONS, "--cpus", "4")
    printed, _ = leader.communicate(timeout=600)
    assert leader.returncode == 1, printed + sweeps.logs() + slurm.logs()
    assert assert_all_backed_off(log, 6) == set(slurm_module.NODES)


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
