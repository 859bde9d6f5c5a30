"""Skill against effort on the pages: by provider, with the tables of `compare`, and for one attempt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from markupsafe import Markup

from scribe_suite.analysis.anytime import anytime, mean_curve, moments_of
from scribe_suite.analysis.courses import EFFORTS, Effort
from scribe_suite.analysis.efficiency import bounds, efficiency
from scribe_suite.analysis.pairing import Keys, sides_of
from scribe_suite.analysis.presentation.anytime_tables import (
    anytime_notes,
    anytime_tables,
    efficiency_notes,
    efficiency_tables,
)
from scribe_suite.analysis.presentation.result_table import Column, ResultTable
from scribe_suite.ledger.records import AttemptRecord, SubmissionPoint
from scribe_suite.report.plots import Labels, Line, step_plot
from scribe_suite.report.views import RunView

#: The axis title of each effort.
AXES: Mapping[Effort, str] = {
    "seconds": "Seconds since the agent began",
    "spent": "Spend in the laboratory, share of the budget",
    "tokens": "Tokens in and out",
    "cost_usd": "US dollars",
}


@dataclass(frozen=True)
class AnytimeSection:
    """A section of the overview.

    Attributes:
        plots: One for each effort about which something is known.
        tables: As `scribe-suite compare` prints them.
        notes: What the tables can't show.
    """

    plots: tuple[Markup, ...]
    tables: tuple[ResultTable, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class CourseView:
    """The submissions of one attempt, as a page shows them.

    Attributes:
        table: A row for each submission that was kept and scored.
        plots: Skill against each known effort; none for a single submission.
        left_out: How many valid submissions are not in the table.
    """

    table: ResultTable
    plots: tuple[Markup, ...]
    left_out: int


def anytime_section(run: RunView) -> AnytimeSection | None:
    """The section for a run, or None where no submission is known."""
    attempts = run.columns
    if not len(attempts.courses.skill):
        return None
    # a planned provider without attempts has no colour
    sides = [side for side in sides_of(attempts) if len(side.rows)]
    rows = {side.label: side.rows[attempts.counts[side.rows]] for side in sides}
    moments, keys = moments_of(attempts), Keys(attempts)
    found = {label: anytime(attempts, moments, own) for label, own in rows.items()}
    against = {side.label: efficiency(attempts, moments, keys, sides, side) for side in sides}
    curves = {effort: {label: mean_curve(attempts, own, effort) for label, own in rows.items()} for effort in EFFORTS}
    notes = [f"{label}: {note}" for label, one in found.items() if one for note in anytime_notes(one, len(rows[label]))]
    notes += [f"{label}: {note}" for label, one in against.items() if one for note in efficiency_notes(one)]
    return AnytimeSection(
        plots=tuple(_mean_plot(effort, own) for effort, own in curves.items() if any(own.values())),
        tables=(
            *anytime_tables(found),
            *efficiency_tables(against, attempts.tasks, bounds(attempts, moments, sides)),
        ),
        notes=tuple(notes),
    )


def course_view(record: AttemptRecord) -> CourseView | None:
    """The submissions of an attempt, or None where none is known."""
    points = record.submitted
    if not points:
        return None
    several = len(points) > 1
    return CourseView(
        table=_points_table(record),
        plots=tuple(_course_plot(record, effort) for effort in EFFORTS if several and _is_told(points, effort)),
        left_out=points[-1].number - len(points),
    )


def _mean_plot(effort: Effort, curves: Mapping[str, list[tuple[float, float]]]) -> Markup:
    labels = Labels(
        f"anytime-{effort}",
        f"Skill against effort: {AXES[effort]}",
        "A line for each provider: the skill that its attempts would have had, had they been stopped there, mean over "
        "tasks. Higher and further left is better. The table below has the areas under the lines.",
        AXES[effort],
    )
    # a shape for each series besides its colour, at a few places
    lines = {label: Line(points, points[:: max(1, len(points) // 8)]) for label, points in curves.items()}
    return step_plot(lines, labels)


def _course_plot(record: AttemptRecord, effort: Effort) -> Markup:
    points = [(used, point.skill) for point in record.submitted if (used := _used(record, point, effort)) is not None]
    labels = Labels(
        f"submissions-{effort}",
        f"Skill of the submissions: {AXES[effort]}",
        "A mark for each submission; the line is the skill of the last one so far. The table has the numbers.",
        AXES[effort],
    )
    return step_plot({"": Line(points, points)}, labels, [] if record.pass_mark is None else [record.pass_mark])


def _is_told(points: tuple[SubmissionPoint, ...], effort: Effort) -> bool:
    return all(getattr(point, effort) is not None for point in points)


def _used(record: AttemptRecord, point: SubmissionPoint, effort: Effort) -> float | None:
    """The effort used; the spend as a share of the budget where there is one."""
    used: float | None = getattr(point, effort)
    if used is None or effort != "spent" or record.laboratory is None:
        return used
    return used / max(1, record.laboratory.budget)


def _points_table(record: AttemptRecord) -> ResultTable:
    points = record.submitted
    columns = (
        Column("Seconds", "seconds", tuple(point.seconds for point in points)),
        Column("Skill", "number", tuple(point.skill for point in points)),
        Column("Tokens", "count", tuple(point.tokens for point in points)),
        Column("Cost, USD", "money", tuple(point.cost_usd for point in points)),
        Column("Experiments", "count", tuple(point.experiments for point in points)),
        Column("Spend", "count", tuple(point.spent for point in points)),
    )
    told = tuple(column for column in columns if any(value is not None for value in column.values))
    rows = tuple(str(point.number) for point in points)
    return ResultTable("submissions", "Submissions", "Number", rows, (told,))
