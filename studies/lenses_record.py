"""The record of the measurements on metrics, and the tables made from it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter

from scribe_suite.text import by_last_number
from studies.lenses import NOT_JUDGED, ONE_SIDED, Lenses, claimed, failures, lowest

RECORD = "studies/discriminability.json"
DOCUMENT = "docs/reference/discriminability.md"
MARKERS = ("<!-- tables: written by studies/discriminability.py -->", "<!-- end of tables -->")


@dataclass(frozen=True)
class TaskRecord:
    """The metrics of one task.

    Attributes:
        version: The version of the task, when it was measured.
        instances: Number of measured instances.
        metrics: Metric -> its three views.
    """

    version: int
    instances: int
    metrics: Mapping[str, Lenses]


_RECORD = TypeAdapter(dict[str, TaskRecord])


def read_record(root: Path) -> dict[str, TaskRecord]:
    """Task -> its measurements; empty when nothing was measured.

    Raises:
        pydantic.ValidationError: If the file has another format.
    """
    path = root / RECORD
    return _RECORD.validate_json(path.read_bytes()) if path.exists() else {}


def write_record(root: Path, record: dict[str, TaskRecord]) -> None:
    """Store the measurements."""
    (root / RECORD).write_bytes(_RECORD.dump_json(record, indent=1) + b"\n")


def chapters(record: Mapping[str, TaskRecord], tasks: Iterable[str]) -> str:
    """An overview of tasks and of recorded levels, and a table for each that was measured, as Markdown."""
    shown = {task_id: record.get(task_id) for task_id in sorted({*tasks, *record}, key=by_last_number)}
    tables = [chapter(task_id, one) for task_id, one in shown.items() if one is not None]
    return "\n\n".join([overview(shown), *tables])


def overview(record: Mapping[str, TaskRecord | None]) -> str:
    """A table of the failing metrics by task; the record is None for a task that was not measured."""
    rows = ["| task | version | instances | metrics judged | fail |", "|---|--:|--:|--:|---|"]
    for task_id, one in record.items():
        if one is None:
            rows.append(f"| `{task_id}` | - | 0 | 0 | not measured |")
            continue
        judged = [metric for metric in one.metrics if metric not in NOT_JUDGED]
        failed = [f"`{metric}`" for metric in judged if failures(metric, one.metrics[metric])]
        anchor = task_id.replace("/", "").lower()
        cells = (f"[`{task_id}`](#{anchor})", one.version, one.instances, len(judged), ", ".join(failed) or "none")
        rows.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(rows)


def chapter(task_id: str, record: TaskRecord) -> str:
    """The table of one task."""
    head = ["| metric | reseed noise | truth, lowest | separation, lowest | verdict |", "|---|--:|---|---|---|"]
    rows = [f"| `{metric}` | {' | '.join(_cells(metric, one))} |" for metric, one in record.metrics.items()]
    return "\n".join([f"### `{task_id}`", "", *head, *rows])


def _cells(metric: str, lenses: Lenses) -> list[str]:
    separation = {} if metric in ONE_SIDED else lenses.separations
    return [
        "-" if lenses.noise is None else f"{lenses.noise:.3f}",
        _named(lowest(claimed(metric, lenses.correlations))),
        _named(lowest(separation)),
        _verdict(metric, lenses),
    ]


def _named(found: tuple[str, float] | None) -> str:
    return "-" if found is None else f"{found[1]:z.2f} ({found[0]})"


def _verdict(metric: str, lenses: Lenses) -> str:
    if metric in NOT_JUDGED:
        return "not judged"
    failed = failures(metric, lenses)
    return f"**fails**: {', '.join(failed)}" if failed else "meets"
