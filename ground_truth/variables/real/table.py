"""The frozen measurements as Markdown, as docs/truth/real-variables.md has them.

Run in the checkout with ``PYTHONPATH=. python -m ground_truth.variables.real.table``; ``--write`` puts them into the
document, and a test compares.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ground_truth.variables.real.measurement import CONTROLS, METHODS
from ground_truth.variables.real.task import MeasuredSubspaceTask
from scribe_suite.measurements import REAL_MODEL
from scribe_suite.measurements.measurement import Arrays
from scribe_suite.measurements.store import shipped_folder, unpacked
from scribe_suite.models.cache import entry_name
from scribe_suite.paths import suite_root
from scribe_suite.tasks.registry import default_registry
from scribe_suite.text import with_table

DOCUMENT = "docs/truth/real-variables.md"
MARKERS = ("<!-- tables: written by ground_truth/variables/real/table.py -->", "<!-- end of tables -->")
_SHOWN = {"found": "yes", "null": "no", "open": "not asked"}


@dataclass(frozen=True)
class _Frozen:
    """A task with its measurement on the default model, as the repository has it."""

    task: MeasuredSubspaceTask
    arrays: Arrays
    made: dict[str, Any]


def main() -> None:
    """Print the tables, or write them into the document."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help=f"into {DOCUMENT}")
    if parser.parse_args().write:
        document = suite_root() / DOCUMENT
        document.write_text(with_table(document.read_text(), MARKERS, as_markdown()))
    else:
        sys.stdout.write(as_markdown() + "\n")


def as_markdown() -> str:
    """Both tables."""
    return f"{behaviours()}\n\n{windows()}"


def behaviours() -> str:
    """A row per task: how often the model is right on fresh hidden prompts, and what the measurement cost."""
    lines = [
        "| task | first property is right | second property is right | measured in CPU minutes |",
        "|---|---|---|--:|",
    ]
    for one in _measured():
        right = [
            f"{shown.name} {share:.2f}"
            for shown, share in zip(one.task.behaviour.properties, one.arrays["right"], strict=True)
        ]
        minutes = sum(one.made["cpu_s"].values()) / 60
        lines.append(f"| `{one.task.name}` | " + " | ".join(right) + f" | {minutes:.1f} |")
    return "\n".join(lines)


def windows() -> str:
    """A row per window: mean scores of methods and controls, and the parts of the best method's score."""
    names = (*METHODS, *CONTROLS)
    lines = [
        "| task | window | layers | at | "
        + " | ".join(names)
        + " | best: effect, flips, isolation, selectivity | to find |",
        "|---|---|---|--:|" + "--:|" * len(names) + "---|---|",
    ]
    for one in _measured():
        for at, window in enumerate(one.task.measurement.windows):
            parts = one.arrays[f"{at}/parts"]
            means = parts.mean(0)
            best = int(means[: len(METHODS), 0].argmax())
            first, last = window.layers
            cells = [
                f"`{one.task.name}`",
                window.name,
                f"{first} to {last}",
                str(int(one.arrays[f"{at}/layer"][0])),
                *(f"{score:.2f}" for score in means[:, 0]),
                ", ".join(f"{part:.2f}" for part in means[best, 1:]),
                _SHOWN[one.task.measurement.verdict(parts)],
            ]
            lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _measured() -> Iterator[_Frozen]:
    for task in default_registry().of_family("variables"):
        if isinstance(task, MeasuredSubspaceTask):
            record = shipped_folder(task.measurement) / f"{entry_name(REAL_MODEL)}.json"
            arrays = unpacked(record.with_suffix(".safetensors").read_bytes())
            yield _Frozen(task, arrays, json.loads(record.read_text())["made"])


if __name__ == "__main__":
    main()
