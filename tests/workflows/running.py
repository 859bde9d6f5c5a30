"""The workflows' files, and a checkout in which their steps are run as GitHub runs them.

The text of a step is taken from the YAML, its environment is its own, and outputs and summaries are files. What GitHub
computes, the values of expressions, tests give.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

REPOSITORY = Path(__file__).resolve().parents[2]
GITHUB = REPOSITORY / ".github"
WORKFLOWS = {path.stem: yaml.safe_load(path.read_text()) for path in sorted((GITHUB / "workflows").glob("*.yml"))}
ACTIONS = {path.parent.name: yaml.safe_load(path.read_text()) for path in sorted((GITHUB / "actions").glob("*/*.yml"))}
JOBS = {f"{name}-{job}": content for name, flow in WORKFLOWS.items() for job, content in flow["jobs"].items()}
STEPS = {
    f"{where}-{number}": step
    for where, steps in [
        *((name, job.get("steps", [])) for name, job in JOBS.items()),
        *((name, action["runs"]["steps"]) for name, action in ACTIONS.items()),
    ]
    for number, step in enumerate(steps)
}
KEYS = {"claude": "ANTHROPIC_API_KEY", "codex": "OPENAI_API_KEY", "gemini": "GEMINI_API_KEY"}

FAKE_GH = """#!/bin/sh
if [ "$2" = list ]; then
    if [ -n "$GH_ERROR" ]; then echo "$GH_ERROR" >&2; exit 1; fi
    cat "$FAKE_GH/runs.json"; exit
fi
# run download ID --name NAME --dir DIR
if [ -d "$FAKE_GH/$3/$5" ]; then mkdir -p "$7"; cp -r "$FAKE_GH/$3/$5/." "$7"; exit; fi
echo "no artifact matches any of the names or patterns provided" >&2; exit 1
"""


@dataclass
class Done:
    """A step that has run."""

    code: int
    log: str
    outputs: dict[str, str]
    summary: str


@dataclass
class Checkout:
    """A folder with the repository's workflows, and what GitHub is besides."""

    folder: Path
    #: Environment that a step has besides its own.
    extra: dict[str, str] = field(default_factory=dict)

    def write(self, name: str, text: str, mode: int = 0o644) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(mode)
        return path

    def program(self, name: str, text: str) -> None:
        """A program that is found before any other of its name."""
        self.write(f"bin/{name}", text, 0o755)

    def run(self, step: dict[str, Any], **values: str) -> Done:
        """Run a step; its own environment must be given, no more and no less."""
        assert set(values) == set(step.get("env", {}))
        text = step["run"]
        assert "${{" not in text
        script = self.write("step.sh", text)
        outputs, summary = self.write("github-output", ""), self.write("github-summary", "")
        environment = {
            "PATH": f"{self.folder / 'bin'}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(self.folder),
            "OMP_NUM_THREADS": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
            "GITHUB_OUTPUT": str(outputs),
            "GITHUB_STEP_SUMMARY": str(summary),
            "GITHUB_RUN_ID": "77",
            "GITHUB_RUN_ATTEMPT": "1",
            **self.extra,
            **values,
        }
        done = subprocess.run(
            ["bash", "-e", str(script)], cwd=self.folder, env=environment, capture_output=True, text=True, timeout=300
        )
        given = dict(line.split("=", 1) for line in outputs.read_text().splitlines())
        return Done(done.returncode, done.stdout + done.stderr, given, summary.read_text())


def step_of(job: str, name: str) -> dict[str, Any]:
    """The step of this name, of a job or a local action."""
    steps = JOBS[job]["steps"] if job in JOBS else ACTIONS[job]["runs"]["steps"]
    (found,) = (step for step in steps if step.get("name") == name)
    return dict(found)


PLAN, ATTEMPTS = step_of("benchmark-plan", "Plan"), step_of("attempts-attempts", "Attempts")
MERGE, SUMMARY = step_of("benchmark-summary", "Merge"), step_of("benchmark-summary", "Summary")
BASELINE, REPORT = step_of("benchmark-summary", "Find the last run on main"), step_of("benchmark-summary", "Report")


def equip(folder: Path) -> Checkout:
    """Lay the workflows and the environment into a folder."""
    (folder / ".github").symlink_to(GITHUB)
    (folder / ".venv").symlink_to(sys.prefix)
    made = Checkout(folder)
    made.program("gh", FAKE_GH)
    made.extra["FAKE_GH"] = str(folder / "github")
    return made


def values_of(**changes: str) -> dict[str, str]:
    part = {"PART": "circuits-x-1of2", "FAMILY": "circuits", "PROVIDER": "says", "SHARD": "1/2", "SEED": "5"}
    return {**part, "TRIALS": "1", "MAX_COST_USD": "", "WORKERS": "2", "CLI": "", "API_KEY": "", **changes}


def merge(checkout: Checkout, *parts: str) -> Done:
    return checkout.run(MERGE, PARTS=json.dumps(parts))


def summarise(checkout: Checkout, **changes: str) -> Done:
    values = {"LEDGER": "", "PROBLEMS": "[]", "LEFT_OUT": "[]", "BASELINE_OUTCOME": "success", "BASELINE": ""}
    return checkout.run(
        SUMMARY, **{**values, "BASELINE_RUN": "", "TOLERANCE": "0.1", "FAIL_ON": "significant", **changes}
    )
