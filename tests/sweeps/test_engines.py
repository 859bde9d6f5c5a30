"""What Slurm's commands print, read."""

import contextlib
import subprocess
import types

import pytest

from scribe_suite.errors import ConfigurationError
from scribe_suite.sweeps.engines.base import Resources
from scribe_suite.sweeps.engines.submitting import SlurmEngine, engine_of, job_ids
from scribe_suite.sweeps.shard_job import ShardJob


@pytest.mark.parametrize(
    ("name", "jobs"),
    [
        ("12", ["12"]),
        ("12_3", ["12_3"]),
        ("12_[0-2]", ["12_0", "12_1", "12_2"]),
        ("12_[0,4-5%2]", ["12_0", "12_4", "12_5"]),
    ],
)
def test_names_of_jobs_are_spelled_out(name, jobs):
    assert job_ids(name) == jobs


def engine():
    """One that needs neither Slurm nor submitit."""
    return SlurmEngine.__new__(SlurmEngine)


def test_jobs_that_wait_or_run_are_unfinished_and_others_are_not(monkeypatch):
    printed = "12_[2-3]|PENDING|Priority\n12_1|RUNNING|None\n12_0|COMPLETED|None\n13|NODE_FAIL|\n99|RUNNING|None\n"
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: subprocess.CompletedProcess([], 0, printed, ""))
    assert engine().unfinished(["12_0", "12_1", "12_2", "13", "14"]) == {"12_1", "12_2"}


def test_a_job_that_no_node_could_launch_is_over_and_one_that_a_person_holds_is_not(monkeypatch):
    printed = "12|PENDING|launch failed requeued held\n13|PENDING|JobHeldUser\n14|PENDING|launch failed requeued held\n"
    asked = []

    def run(command, **_):
        asked.append(command)
        return subprocess.CompletedProcess(command, 0, printed, "")

    monkeypatch.setattr(subprocess, "run", run)
    assert engine().unfinished(["12", "13"]) == {"13"}
    assert asked[1:] == [["scancel", "12"]]


class Executor:
    """Notes what nodes an array avoids, in place of submitting it."""

    def __init__(self):
        self.excluded = []

    def update_parameters(self, exclude):
        self.excluded.append(exclude)

    def batch(self):
        return contextlib.nullcontext()

    def submit(self, job):
        return types.SimpleNamespace(job_id=f"{len(self.excluded)}_{job.shard}")


@pytest.mark.parametrize(
    ("sinfo", "excluded"),
    [
        ("n0|idle\nn1|mix\nn2|drain\n", [None, "n0", "n0,n2"]),
        ("n0|alloc\nn1|down*\nn2|idle*\n", [None, None, None]),  # there is only one: better that than to wait for ever
        ("", [None, None, None]),
    ],
)
def test_nodes_where_a_shard_failed_are_avoided_if_another_one_can_run_it(monkeypatch, sinfo, excluded):
    pytest.importorskip("submitit", reason="it runs the jobs of sweeps: pip install 'scribe-suite[sweep]'")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: subprocess.CompletedProcess([], 0, sinfo, ""))
    made = engine()
    made._executor, made._partition = Executor(), "all"
    avoid = {1: (), 2: ("n0",), 3: ("n0",), 4: ("n0", "n2")}
    ids = made.submit([ShardJob("/s", shard, avoid=nodes) for shard, nodes in avoid.items()])
    assert made._executor.excluded == excluded
    assert ids == {1: "1_1", 2: "2_2", 3: "2_3", 4: "3_4"}


def test_a_controller_that_does_not_answer_says_nothing(monkeypatch):
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: subprocess.CompletedProcess([], 1, "", "refused"))
    assert engine().unfinished(["12"]) is None

    def too_late(*_, **__):
        raise subprocess.TimeoutExpired("squeue", 1)

    monkeypatch.setattr(subprocess, "run", too_late)
    assert engine().unfinished(["12"]) is None


def test_an_unknown_engine_is_named(tmp_path):
    with pytest.raises(ConfigurationError, match="There is no engine 'ray': choose from local, slurm"):
        engine_of("ray", tmp_path, Resources(minutes=1))


def test_without_slurm_the_engine_says_so(tmp_path, monkeypatch):
    pytest.importorskip("submitit", reason="it runs the jobs of sweeps: pip install 'scribe-suite[sweep]'")
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ConfigurationError, match="There is no srun"):
        engine_of("slurm", tmp_path, Resources(minutes=1))
