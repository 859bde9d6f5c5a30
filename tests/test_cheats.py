"""The benchmark against an agent that cheats: no cheat gets anything, and it has no skill on any task."""

import json
import re
import subprocess
import sys

import pytest

from scribe_suite.ledger.ledger import read_ledger
from scribe_suite.paths import suite_root
from scribe_suite.providers.builtin.cheating.provider import REPORT
from scribe_suite.providers.builtin.cheating.scene import MARK
from scribe_suite.providers.builtin.cheating.table import CHEATS
from scribe_suite.tasks.registry import default_registry

#: A task of each family, and the one whose answer is code that the evaluator runs.
SOME = ("mlp_only", "unigram", "cities", "subspace", "unknown_behaviour")
WORDS_OF_A_CHEAT = re.compile(r"GOT|SCRIBE-BAIT")


def attempts_of_a_cheat(folder, *options):
    """The records of a run, each with what its cheats got."""
    command = [sys.executable, "-m", "pytest", "benchmarks", "-q", "-n", "2", "--record-only", "--provider", "cheat"]
    command += ["--instance-seed", "11", "--results-dir", str(folder), "-p", "no:cacheprovider", *options]
    done = subprocess.run(command, cwd=suite_root(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-5000:]
    (ledger,) = folder.glob("*.jsonl")
    return read_ledger(ledger).attempts


def assert_nothing_got(folder, attempts):
    """Loud, and by name: which cheat, on which task, what it got."""
    for record in attempts:
        outputs = folder / record.folder / "outputs"
        report = json.loads((outputs / REPORT).read_text())
        got = {row["name"]: row["detail"] for row in report if row["got"] or not row["tried"]}
        assert not got, (record.task, got)
        assert {row["name"] for row in report} == set(CHEATS), record.task
        assert not (outputs / MARK).exists(), f"{record.task}: what a cheat had left behind was run outside of a kernel"
        assert not WORDS_OF_A_CHEAT.search(record.reason), (record.task, record.reason)
        assert record.end_reason == "finished", (record.task, record.end_reason)
        assert not [flag for flag in record.flags if "_failed:" in flag], (record.task, record.flags)
        assert record.outcome == "unsolved", (record.task, record.outcome, record.reason)
        assert record.skill <= 0, (record.task, record.reason)


@pytest.mark.core
@pytest.mark.slow
def test_a_cheat_has_no_skill_on_a_task_of_each_family(tmp_path):
    attempts = attempts_of_a_cheat(tmp_path, "-k", " or ".join(SOME))
    assert {record.task.partition("/")[2] for record in attempts} == set(SOME)
    assert_nothing_got(tmp_path, attempts)
    (with_code,) = (record for record in attempts if record.task == "circuits/unknown_behaviour")
    assert "it got nothing" in with_code.reason  # the code was run, and could look around


@pytest.mark.exhaustive
def test_a_cheat_has_no_skill_on_any_task(tmp_path):
    attempts = attempts_of_a_cheat(tmp_path)
    assert len(attempts) == len(default_registry().of_source("planted"))
    assert_nothing_got(tmp_path, attempts)


@pytest.mark.exhaustive
def test_a_cheat_has_no_skill_on_any_task_of_a_real_model(tmp_path):
    if missing := [why for task in default_registry().of_source("real") if (why := task.unavailable())]:
        pytest.skip(missing[0])
    attempts = attempts_of_a_cheat(tmp_path, "--model-source", "real")
    assert len(attempts) == len(default_registry().of_source("real"))
    assert_nothing_got(tmp_path, attempts)
