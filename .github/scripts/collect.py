"""Brings the parts of a benchmark run together: one ledger, and a list of what did not come back.

What did come back is merged and kept also when parts are missing; the run is told to be incomplete then.

Environment:
    PARTS: Names of the parts that were planned, a JSON list.
    GITHUB_RUN_ID, GITHUB_RUN_ATTEMPT: Name the merged ledger.

Outputs:
    path: Of the merged ledger, or empty when nothing could be merged.
    problems: Sentences about what is missing or could not be merged, a JSON list.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from workflow import StepError, annotate, fail, variable, write_outputs

PARTS_FOLDER, MERGED_FOLDER = Path("parts"), Path("merged")
PART_FILE = "part.json"
EMPTY_SHARD = 5
"""pytest's exit code where no test was selected; such a part has no ledger and misses none."""

_MOST_TOLD = 50
"""Problems that are listed: they travel in an environment variable, which holds 128 KiB."""

_BAD_ENDS = {
    None: "was cut off: what it had finished is in the ledger",
    2: "was interrupted, or pytest could not collect its tests",
    3: "lost attempts, or infrastructure failed them",
    4: "was started with options that pytest refused",
}


def returned_parts() -> dict[str, tuple[Path, int | None]]:
    """Name of each part that came back -> its folder and exit code."""
    found = {}
    for file in sorted(PARTS_FOLDER.rglob(PART_FILE)):
        told: dict[str, Any] = json.loads(file.read_text())
        found[str(told["part"])] = file.parent, told["exit_code"]
    return found


def examine(planned: list[str]) -> tuple[list[Path], list[str]]:
    """The ledgers to merge, and a sentence about each part that is not as it should be."""
    returned = returned_parts()
    ledgers: list[Path] = []
    problems = []
    for part in planned:
        if part not in returned:
            problems.append(f"{part}: nothing came back; its job failed before the attempts, or was cancelled.")
            continue
        folder, code = returned[part]
        found = sorted(folder.glob("*.jsonl"))
        ledgers += found
        if code not in (0, 1, EMPTY_SHARD):
            problems.append(f"{part} {_BAD_ENDS.get(code, f'ended with exit code {code}')}.")
        elif not found and code != EMPTY_SHARD:
            problems.append(f"{part}: there is no ledger in what came back.")
    return ledgers, problems


def merge(ledgers: list[Path], output: Path) -> str:
    """Merge, and return why not, or nothing."""
    command = [".venv/bin/scribe-suite", "merge", *map(str, ledgers), "-o", str(output)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    sys.stdout.write(done.stdout)
    return "" if done.returncode == 0 else f"The ledgers can't be merged: {done.stderr.strip()}"


def main() -> None:
    """Merge what is there, and tell what is not."""
    planned: list[str] = json.loads(variable("PARTS"))
    ledgers, problems = examine(planned)
    output = MERGED_FOLDER / f"run-{variable('GITHUB_RUN_ID')}-{variable('GITHUB_RUN_ATTEMPT')}.jsonl"
    if not ledgers:
        problems.append("There is no ledger to merge: look into the jobs' logs.")
    elif refusal := merge(ledgers, output):
        problems.append(refusal)
    if len(problems) > _MOST_TOLD:
        problems[_MOST_TOLD:] = [f"and {len(problems) - _MOST_TOLD} problems more."]
    for problem in problems:
        annotate("warning", problem)
    write_outputs({"path": str(output) if output.is_file() else "", "problems": json.dumps(problems)})


if __name__ == "__main__":
    try:
        main()
    except StepError as error:
        fail(error)
