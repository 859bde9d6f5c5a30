"""Tables of laboratories and of the gaps between arms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from scribe_suite.analysis.arms import ArmGap, LaboratoryMeans
from scribe_suite.analysis.presentation.result_table import ResultTable, by_side, column, column_of


def laboratory_tables(sides: Mapping[str, LaboratoryMeans | None]) -> list[ResultTable]:
    """The use of laboratories by each side; no table where no side had one."""
    if not any(sides.values()):
        return []

    means = list(sides.values())
    spent = (
        column_of("Spent, prompts", "number", means, lambda one: one.prompts),
        column_of("Spent, tokens", "number", means, lambda one: one.tokens),
    )
    columns = (
        column_of("Attempts", "count", means, lambda one: one.attempts),
        column_of("Experiments", "number", means, lambda one: one.experiments),
        column_of("Share of the budget spent", "number", means, lambda one: one.share),
        *(own for own in spent if any(value is not None for value in own.values)),
        column_of("Repeated, free", "number", means, lambda one: one.repeated),
        column_of("Unread", "number", means, lambda one: one.unread),
        column_of("Refused", "number", means, lambda one: one.refused),
        column_of("Failed", "number", means, lambda one: one.failed),
    )
    title = "Laboratories (means over attempts)"
    return [by_side("laboratories", title, list(sides), ((own,) for own in columns))]


def gap_tables(sides: Mapping[str, Sequence[ArmGap]]) -> list[ResultTable]:
    """What each side loses from one arm to another; no table where no side attempted a question in two arms."""
    rows = [(label, gap) for label, gaps in sides.items() for gap in gaps]
    if not rows:
        return []
    gaps = [gap for _, gap in rows]
    size = (
        column("Pairs", "count", (gap.pairs for gap in gaps)),
        column("Tasks", "count", (gap.tasks for gap in gaps)),
    )
    skill = (
        column("Skill in the first", "number", (gap.skill_more for gap in gaps)),
        column("Skill in the second", "number", (gap.skill_less for gap in gaps)),
        column("Gap", "difference", (gap.gap.value for gap in gaps)),
        column("95 % interval", "interval", (gap.gap.interval for gap in gaps)),
    )
    names = tuple(f"{label}: {gap.more} - {gap.less}" for label, gap in rows)
    title = "Gaps between arms, on the same instances"
    return [ResultTable("gaps", title, "Provider and arms", names, (size, skill))]
