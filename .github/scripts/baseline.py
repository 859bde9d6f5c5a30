"""Fetches the merged ledger of the last successful benchmark run on the main branch, for the diff.

Runs of other providers have ledgers of another name and are passed over. So are runs of pull requests: a fork's branch
may be called main as well, and its run must not become what others are measured by.

Environment:
    LEDGER: Name of the artifact.
    WORKFLOW: File name of the workflow.
    BRANCH: The main branch.
    GH_TOKEN, GH_REPO: For `gh`: a token that may read actions, and the repository.

Outputs:
    path: Of the ledger, or empty when there is none: the first run has nothing to be compared with.
    run: The id of its run.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

from workflow import StepError, fail, variable, write_outputs

FOLDER = Path("baseline")
MOST_RUNS = 30
"""How many runs are tried, the newest first."""

_NO_WORKFLOW = re.compile(r"could not find any workflow|workflow \S+ not found|HTTP 404.*/workflows/", re.IGNORECASE)
"""What it says before the workflow has ever run."""

_NO_ARTIFACT = re.compile(r"no (valid )?artifact|expired", re.IGNORECASE)
"""What `gh` says when a run has no such artifact, or no longer."""


def gh(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the GitHub command line."""
    try:
        return subprocess.run(["gh", *arguments], capture_output=True, text=True, check=False, timeout=300)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise StepError(f"gh {arguments[0]} {arguments[1]} did not work: {error}") from error


def successful_runs(workflow: str, branch: str) -> list[str]:
    """Ids of the branch's own successful runs, the newest first.

    Raises:
        StepError: When they can't be listed.
    """
    listed = gh(
        "run", "list", "--workflow", workflow, "--branch", branch, "--status", "success",
        "--limit", str(MOST_RUNS), "--json", "databaseId,event",
    )  # fmt: skip
    if listed.returncode and _NO_WORKFLOW.search(listed.stderr):
        return []
    if listed.returncode:
        raise StepError(f"The runs on {branch} can't be listed: {listed.stderr.strip()}")
    return [str(run["databaseId"]) for run in json.loads(listed.stdout) if run["event"] != "pull_request"]


def download(run: str, artifact: str) -> Path | None:
    """The ledger of a run, or None when it has none of this name.

    Raises:
        StepError: When it can't be downloaded for another reason.
    """
    done = gh("run", "download", run, "--name", artifact, "--dir", str(FOLDER / run))
    if done.returncode:
        if _NO_ARTIFACT.search(done.stderr):
            return None
        raise StepError(f"The ledger of run {run} can't be downloaded: {done.stderr.strip()}")
    return next((FOLDER / run).rglob("*.jsonl"), None)


def main() -> None:
    """Find the newest run that has the artifact."""
    artifact = variable("LEDGER")
    for run in successful_runs(variable("WORKFLOW"), variable("BRANCH")):
        path = download(run, artifact)
        if path is not None:
            sys.stdout.write(f"{path}: of run {run}\n")
            write_outputs({"path": str(path), "run": run})
            return
    sys.stdout.write(f"No run has an artifact {artifact} yet: there is nothing to compare with.\n")
    write_outputs({"path": "", "run": ""})


if __name__ == "__main__":
    try:
        main()
    except StepError as error:
        fail(error)
