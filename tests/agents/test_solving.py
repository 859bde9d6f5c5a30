"""The real CLIs, end to end: pytest, CLI, pump, kernel, answer, score, ledger, table. Run by ``make test-agents``."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from scribe_suite.paths import suite_root
from scribe_suite.results.ledger import read_ledger
from scribe_suite.results.records import AttemptRecord
from scribe_suite.tasks.registry import default_registry
from scribe_suite.tasks.solutions import parse_percent, solution_text
from tests.agents.binaries import argv
from tests.model_server import ModelServer, Scenario, solve

pytestmark = pytest.mark.agents

TASK = "circuits/mlp_only"
KEY = "sk-planted-key-that-must-not-be-written-anywhere"
APIS = {"claude": "anthropic", "codex": "openai", "gemini": "gemini"}
#: By CLI: variables that lead it to the scripted server, and to its binary.
URLS = {"claude": "ANTHROPIC_BASE_URL", "codex": "OPENAI_BASE_URL", "gemini": "GOOGLE_GEMINI_BASE_URL"}
KEYS = {"claude": "ANTHROPIC_API_KEY", "codex": "OPENAI_API_KEY", "gemini": "GEMINI_API_KEY"}


@dataclass
class Run:
    """A finished pytest run."""

    code: int
    output: str
    folder: Path

    @property
    def records(self) -> dict[str, AttemptRecord]:
        (path,) = self.folder.glob("*.jsonl")
        return {record.provider.partition(":")[0]: record for record in read_ledger(path).attempts}


def benchmark(cli: str, scenario: str | Scenario, folder: Path, *options: str, **parameters: object) -> Run:
    """Run one task with a CLI, and with the reference on the same instance, against a scripted model."""
    with ModelServer() as models:
        environment = {
            **{name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ},
            URLS[cli]: models.base_url(APIS[cli], scenario, **parameters),
            KEYS[cli]: KEY,
            f"SCRIBE_{cli.upper()}_BIN": " ".join(argv(cli)),
        }
        task = TASK.partition("/")[2]
        command = [sys.executable, "-m", "pytest", "benchmarks/circuits", "-k", task, "-p", "no:cacheprovider"]
        command += ["--provider", f"{cli},reference", "--instance-seed", "5", "--results-dir", str(folder), *options]
        done = subprocess.run(
            command, cwd=suite_root(), env=environment, capture_output=True, text=True, timeout=400, check=False
        )
    return Run(done.returncode, done.stdout + done.stderr, folder)


def solution() -> Scenario:
    task = default_registry()[TASK]
    return solve(parse_percent(solution_text(suite_root(), task)))


@pytest.fixture(params=sorted(APIS))
def cli(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_a_scripted_solve_scores_what_the_reference_does_and_writes_no_key(cli, tmp_path):
    run = benchmark(cli, solution(), tmp_path)
    records = run.records
    assert records[cli].outcome == "solved", (records[cli].reason, run.output[-2000:])
    assert records[cli].metrics == records["reference"].metrics
    assert records[cli].skill == records["reference"].skill
    assert records[cli].tokens["input"] > 0
    assert records[cli].tool_calls == records["reference"].tool_calls
    assert run.code == 0
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(written) > 5
    assert [path for path in written if KEY.encode() in path.read_bytes()] == []
    assert KEY not in run.output
