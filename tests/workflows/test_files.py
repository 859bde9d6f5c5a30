"""What the workflows' files say: the linter finds nothing, and they keep to rules that it does not know."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.workflows.running import ATTEMPTS, GITHUB, JOBS, KEYS, PLAN, REPOSITORY, STEPS, WORKFLOWS

BIN = Path(sys.prefix) / "bin"
#: Name -> command: what GitHub's schemas say of the files, and what is known to go wrong with them.
LINTERS = {
    "workflows": ("check-jsonschema", "--builtin-schema", "vendor.github-workflows"),
    "actions": ("check-jsonschema", "--builtin-schema", "vendor.github-actions"),
    "security": ("zizmor", "--offline", "--no-progress", "--quiet"),
}


def lint(linter: str, folder: Path) -> subprocess.CompletedProcess[str]:
    program, *options = LINTERS[linter]
    pattern = {"workflows": "workflows/*.yml", "actions": "actions/*/action.yml", "security": ""}[linter]
    files = sorted((folder / ".github").glob(pattern)) if pattern else [folder / ".github"]
    assert files
    command = [str(BIN / program), *options, *map(str, files)]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.parametrize("linter", LINTERS)
def test_the_linters_find_nothing(linter: str) -> None:
    done = lint(linter, REPOSITORY)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("linter", "old", "new", "complaint"),
    [
        ("workflows", "timeout-minutes: 60", "timeout-minute: 60", "timeout-minute"),
        ("workflows", "runs-on: ubuntu-24.04", "runs-om: ubuntu-24.04", "runs-om"),
        ("security", "persist-credentials: false", "fetch-depth: 1", "artipacked"),
        ("security", "permissions:\n  contents: read", "permissions: write-all", "excessive-permissions"),
    ],
)
def test_the_linters_would_find_mistakes(tmp_path: Path, linter: str, old: str, new: str, complaint: str) -> None:
    shutil.copytree(GITHUB, tmp_path / ".github")
    file = tmp_path / ".github/workflows/benchmark.yml"
    assert old in file.read_text()
    file.write_text(file.read_text().replace(old, new))
    done = lint(linter, tmp_path)
    assert done.returncode != 0
    assert complaint in done.stdout + done.stderr


@pytest.mark.parametrize("name", WORKFLOWS)
def test_what_a_job_takes_from_another_is_there(name: str) -> None:
    jobs = WORKFLOWS[name]["jobs"]
    for job in jobs.values():
        needed = job.get("needs", [])
        needed = {needed} if isinstance(needed, str) else set(needed)
        for other, kind, output in re.findall(r"needs\.([\w-]+)\.(\w+)(?:\.([\w-]+))?", json.dumps(job)):
            assert other in needed, f"{other} is used and not waited for"
            assert kind == "result" or output in jobs[other]["outputs"], f"{other} has no output {output}"


@pytest.mark.parametrize("job", JOBS)
def test_what_a_step_takes_from_another_is_there(job: str) -> None:
    ids: dict[str, str] = {}
    for step in JOBS[job].get("steps", []):
        for other in re.findall(r"steps\.([\w-]+)\.", json.dumps(step)):
            assert other in ids, f"{other} comes later, or not at all"
        if "id" in step:
            ids[step["id"]] = json.dumps(step)
    for other, output in re.findall(r"steps\.([\w-]+)\.outputs\.([\w-]+)", json.dumps(JOBS[job].get("outputs", {}))):
        assert other in ids, f"{other} is no step, so it has no output {output}"


@pytest.mark.parametrize("job", [job for job, content in JOBS.items() if "uses" in content])
def test_a_called_workflow_is_given_what_it_takes(job: str) -> None:
    called = WORKFLOWS[Path(JOBS[job]["uses"]).stem]
    # YAML 1.1 reads the key "on" as true
    takes = called[True]["workflow_call"]
    given = set(JOBS[job].get("with", {}))
    assert given <= set(takes["inputs"])
    assert given >= {name for name, entry in takes["inputs"].items() if entry.get("required")}
    assert set(JOBS[job].get("secrets", {})) <= set(takes["secrets"])
    used = set(re.findall(r"inputs\.([\w-]+)", json.dumps(called["jobs"])))
    assert used == set(takes["inputs"])


@pytest.mark.parametrize("name", WORKFLOWS)
def test_a_workflow_may_read_the_repository_and_nothing_else(name: str) -> None:
    flow = WORKFLOWS[name]
    assert flow["permissions"] == {"contents": "read"}
    given = [job["permissions"] for job in flow["jobs"].values() if "permissions" in job]
    assert all(set(permissions.values()) == {"read"} for permissions in given)


@pytest.mark.parametrize("job", JOBS)
def test_a_job_ends_by_itself(job: str) -> None:
    # one that calls a workflow can't have a limit; the called one's job has
    assert ("timeout-minutes" in JOBS[job]) != ("uses" in JOBS[job])


@pytest.mark.parametrize("step", STEPS)
def test_a_step_is_pinned_and_takes_values_from_its_environment_only(step: str) -> None:
    content = STEPS[step]
    if "run" in content:
        assert "${{" not in content["run"]
        assert all((REPOSITORY / script).is_file() for script in re.findall(r"\S*\.github/\S+", content["run"]))
        return
    used = content["uses"]
    assert re.fullmatch(r"actions/[a-z-]+@v\d+", used) or (REPOSITORY / used / "action.yml").is_file()
    if used.startswith("actions/checkout"):
        assert content["with"]["persist-credentials"] is False


@pytest.mark.parametrize("name", ["tests", "benchmark"])
def test_a_newer_run_of_a_pull_request_ends_the_older(name: str) -> None:
    assert "pull_request" in WORKFLOWS[name]["concurrency"]["cancel-in-progress"]


def test_a_key_goes_to_the_job_of_its_own_cli_only() -> None:
    for name, job in WORKFLOWS["benchmark"]["jobs"].items():
        named = set(re.findall(r"secrets\.(\w+)", json.dumps(job)))
        if name == "plan":  # it asks whether they are there
            values = [value for value in PLAN["env"].values() if "secrets" in value]
            assert sorted(values) == sorted(f"${{{{ secrets.{key} != '' }}}}" for key in KEYS.values())
        else:
            assert named == ({KEYS[name]} if name in KEYS else set())
    holding = [step for step in JOBS["attempts-attempts"]["steps"] if "secrets" in json.dumps(step)]
    assert holding == [ATTEMPTS]


def test_the_targets_are_make_s() -> None:
    targets = {row["target"] for row in JOBS["tests-make"]["strategy"]["matrix"]["include"]}
    further = {"test-human", "test-inspect"}
    assert targets == {"lint", "docs", "test", "test-slow", "test-cheats", "bench", "test-real"} | further
    known = set(re.findall(r"^([a-z-]+):", (REPOSITORY / "Makefile").read_text(), re.MULTILINE))
    assert targets | {"agents", "test-agents", "human", "real-models", "install"} <= known
