"""The real CLIs, end to end: pytest, CLI, pump, kernel, answer, score, ledger, table. Run by ``make test-agents``."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from scribe_suite.ledger.ledger import read_ledger
from scribe_suite.ledger.records import AttemptRecord
from scribe_suite.paths import suite_root
from scribe_suite.tasks.registry import default_registry
from scribe_suite.tasks.solutions import parse_percent, solution_text
from tests.agents.conftest import APIS, KEY, KEYS, URLS
from tools.agent_clis.binaries import CLIS, argv
from tools.model_server import ModelServer, Scenario, solve

pytestmark = pytest.mark.agents

TASK = "circuits/mlp_only"


@dataclass
class Run:
    """A finished pytest run."""

    code: int
    output: str
    folder: Path

    @property
    def records(self) -> dict[str, AttemptRecord]:
        (path,) = self.folder.glob("*.jsonl")
        return {record.provider: record for record in read_ledger(path).attempts}


def benchmark(scenario: Scenario, folder: Path, *options: str) -> Run:
    """Run one task with all CLIs, and with the reference on the same instance, against a scripted model."""
    with ModelServer() as models:
        environment = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "PYTHONPATH") if name in os.environ}
        for cli in CLIS:
            environment[URLS[cli]] = models.base_url(APIS[cli], scenario)
            environment[KEYS[cli]] = KEY
            environment[f"SCRIBE_{cli.upper()}_BIN"] = " ".join(argv(cli))
        family, _, task = TASK.partition("/")
        command = [sys.executable, "-m", "pytest", f"benchmarks/{family}", "-k", task, "-p", "no:cacheprovider"]
        command += ["-n", "2", "--provider", ",".join((*CLIS, "reference"))]
        command += ["--instance-seed", "5", "--results-dir", str(folder), *options]
        done = subprocess.run(
            command, cwd=suite_root(), env=environment, capture_output=True, text=True, timeout=500, check=False
        )
    return Run(done.returncode, done.stdout + done.stderr, folder)


def test_a_scripted_solve_scores_what_the_reference_does_and_writes_no_key(tmp_path):
    task = default_registry()[TASK]
    run = benchmark(solve(parse_percent(solution_text(suite_root(), task))), tmp_path)
    records = run.records
    reference = records["reference"]
    assert set(records) == {*CLIS, "reference"}
    for cli in CLIS:
        assert records[cli].outcome == "solved", (records[cli].reason, run.output[-2000:])
        assert records[cli].metrics == reference.metrics
        assert records[cli].skill == reference.skill
        assert records[cli].tokens["input"] > 0
        assert records[cli].tool_calls == reference.tool_calls - 1  # whose last cell shows the answer
        assert cli in run.output
    assert run.code == 0
    assert "scored 4/4" in run.output
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(written) > 20
    assert [path for path in written if KEY.encode() in path.read_bytes()] == []
    assert KEY not in run.output
