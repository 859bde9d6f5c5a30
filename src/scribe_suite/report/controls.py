"""Controls on the overview: the skill of a black box, and the best known method."""

from __future__ import annotations

from dataclasses import dataclass

from scribe_suite.analysis.controls import read_controls, task_controls
from scribe_suite.analysis.presentation.control_table import control_notes, control_table
from scribe_suite.analysis.presentation.result_table import ResultTable
from scribe_suite.errors import ConfigurationError
from scribe_suite.report.views import RunView


@dataclass(frozen=True)
class ControlSection:
    """The table of `compare --controls`, with notes."""

    table: ResultTable
    notes: tuple[str, ...]


def control_section(run: RunView) -> ControlSection | None:
    """The section for a run, or None where nothing is known about its tasks, as outside of a checkout."""
    try:
        record = read_controls()
    except ConfigurationError:
        return None
    skills = {
        name: {task: mean for task in run.tasks if (mean := run.cell(task, name).mean) is not None}
        for name in run.providers
    }
    versions = {
        task: tuple(sorted({attempt.record.task_version for attempt in run.attempts_at(task)})) for task in run.tasks
    }
    controls = task_controls(record, run.tasks, versions, skills)
    if not controls:
        return None
    return ControlSection(control_table(controls, run.providers), tuple(control_notes(controls, run.tasks)))
