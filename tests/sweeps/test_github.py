"""The workflow in the guide: GitHub would take it, and its steps make a sweep whose jobs share artifacts only."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import yaml

from tests.sweeps.plans import planned, records
from tests.workflows.running import GITHUB, REPOSITORY
from tests.workflows.test_files import LINTERS, lint

GUIDE = REPOSITORY / "docs" / "guide" / "sweeps.md"
(TEXT,) = re.findall(r"```yaml\n(name: Sweep\n.*?)```", GUIDE.read_text(), re.DOTALL)
JOBS = yaml.safe_load(TEXT)["jobs"]


@pytest.mark.parametrize("linter", [name for name in LINTERS if name != "actions"])
def test_the_linters_find_nothing(tmp_path, linter):
    shutil.copytree(GITHUB, tmp_path / ".github")
    (tmp_path / ".github" / "workflows" / "sweep.yml").write_text(TEXT)
    done = lint(linter, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


def commands(job):
    return [step["run"] for step in JOBS[job]["steps"] if "run" in step]


def play(command, folder, **variables):
    """A step, as GitHub's shell runs it."""
    environment = {**os.environ, "PYTHONPATH": f"{REPOSITORY / 'src'}:{os.environ.get('PYTHONPATH', '')}", **variables}
    return subprocess.run(["bash", "-eo", "pipefail", "-c", command], cwd=folder, env=environment)


def programs(folder):
    """What the set-up action leaves."""
    (folder / ".venv" / "bin").mkdir(parents=True)
    (folder / ".venv" / "bin" / "python").symlink_to(sys.executable)
    suite = folder / ".venv" / "bin" / "scribe-suite"
    suite.write_text(f'#!/bin/sh\nexec {sys.executable} -P -m scribe_suite.cli "$@"\n')
    suite.chmod(0o755)


def test_the_matrix_has_the_shards_of_the_plan(tmp_path):
    programs(tmp_path)
    planned(tmp_path / "sweep", {1: records(2), 12: records(1, task="circuits/other")})
    assert play(commands("plan")[1], tmp_path, GITHUB_OUTPUT=str(tmp_path / "output")).returncode == 0
    name, _, value = (tmp_path / "output").read_text().strip().partition("=")
    assert (name, json.loads(value)) == ("shards", ["1", "12"])


def upload(artifacts, name, folder, parts):
    """An artifact replaces the one with its name; hidden files are left out."""
    shutil.rmtree(artifacts / name, ignore_errors=True)
    for part in parts:
        shutil.copytree(folder / part, artifacts / name / part, ignore=shutil.ignore_patterns(".*"))


@pytest.mark.slow
def test_its_steps_plan_make_resume_and_merge(sweeps, tmp_path):
    runner, artifacts = sweeps.suite.folder, tmp_path / "artifacts"
    programs(runner)
    spec = 'name = "first"\nfamilies = ["circuits"]\nproviders = ["nologin", "null"]\ntrials = 2\nshards = 2\n'
    sweeps.suite.write("spec.toml", spec)
    assert play(commands("plan")[0], runner).returncode == 0
    shards = list(json.loads((runner / "sweep" / "plan.json").read_text())["shards"])
    shutil.copytree(runner / "sweep", artifacts / "plan")
    assert len(shards) == 2
    for shard in [*shards, *shards]:  # all jobs, and "Re-run failed jobs"
        shutil.rmtree(runner / "sweep")
        shutil.copytree(artifacts / "plan", runner / "sweep")
        if (artifacts / f"shard-{shard}").exists():
            shutil.copytree(artifacts / f"shard-{shard}", runner / "sweep", dirs_exist_ok=True)
        (step,) = commands("shard")
        assert play(step, runner, SHARD=shard).returncode == 3  # nobody is logged in
        upload(artifacts, f"shard-{shard}", runner / "sweep", ["shards", "jobs"])
    shutil.rmtree(runner / "sweep")
    for artifact in sorted(artifacts.iterdir()):
        shutil.copytree(artifact, runner / "sweep", dirs_exist_ok=True)
    merge, status = commands("merge")
    assert play(merge, runner).returncode == 0
    assert play(status, runner).returncode == 1
    (merged,) = (runner / "sweep").glob("*.jsonl")
    lines = [json.loads(line) for line in Path(merged).read_text().splitlines()]
    outcomes = Counter(line["outcome"] for line in lines if line["line"] == "attempt")
    assert outcomes == {"infrastructure:not_logged_in": 4, "no_answer": 2}  # what counts is not made again
