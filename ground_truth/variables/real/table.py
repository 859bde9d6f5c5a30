"""The measurements as a Markdown table: ``python -m ground_truth.variables.real.table`` writes it for the docs.

The numbers are the frozen results; docs/truth/real-variables.md contains the same tables, and a test compares them.
"""

from __future__ import annotations

import json
import sys

from ground_truth.variables.real.measurement import CONTROLS, METHODS
from ground_truth.variables.real.task import MeasuredSubspaceTask
from scribe_suite.measurements import REAL_MODEL
from scribe_suite.measurements.store import shipped_folder, unpacked
from scribe_suite.models.cache import entry_name
from scribe_suite.tasks.registry import default_registry

_SHOWN = {"found": "yes", "null": "no", "open": "not asked"}


def table(task: MeasuredSubspaceTask) -> str:
    """Scores of methods and controls by window, and the parts of the best method's score; means over fresh prompts."""
    record = shipped_folder(task.measurement) / f"{entry_name(REAL_MODEL)}.json"
    arrays = unpacked(record.with_suffix(".safetensors").read_bytes())
    made = json.loads(record.read_text())["made"]
    right = ", ".join(
        f"{one.name} {share:.2f}" for one, share in zip(task.behaviour.properties, arrays["right"], strict=True)
    )
    names, minutes = (*METHODS, *CONTROLS), sum(made["cpu_s"].values()) / 60
    lines = [
        f"**{task.name}** (right on fresh hidden prompts: {right}; measured in {minutes:.1f} CPU minutes)",
        "",
        "| window | layers | at | " + " | ".join(names) + " | best: effect, flips, isolation, selectivity | to find |",
        "|---|---|--:|" + "--:|" * len(names) + "---|---|",
    ]
    for at, window in enumerate(task.measurement.windows):
        parts = arrays[f"{at}/parts"]
        means = parts.mean(0)
        best = int(means[: len(METHODS), 0].argmax())
        scores = " | ".join(f"{score:.2f}" for score in means[:, 0])
        first, last = window.layers
        lines.append(
            f"| {window.name} | {first} to {last} | {int(arrays[f'{at}/layer'][0])} | {scores} | "
            + ", ".join(f"{part:.2f}" for part in means[best, 1:])
            + f" | {_SHOWN[task.measurement.verdict(parts)]} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Print all tables."""
    tasks = (task for task in default_registry().values() if isinstance(task, MeasuredSubspaceTask))
    sys.stdout.write("\n\n".join(map(table, tasks)) + "\n")


if __name__ == "__main__":
    main()
