"""Tables of laboratories and of the gaps between arms."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from scribe_suite.analysis.arms import ArmGap, LaboratoryMeans
from scribe_suite.analysis.presentation.result_table import Kind, ResultTable, Value, by_side, column


def laboratory_tables(sides: Mapping[str, LaboratoryMeans | None]) -> list[ResultTable]:
    """What each side did in laboratories; no table where none had one."""
    if not any(sides.values()):
        return []

    def shown(title: str, kind: Kind, value: Callable[[LaboratoryMeans], Value]) -> tuple[str, Kind, list[Value]]:
        return title, kind, [None if means is None else value(means) for means in sides.values()]

    columns = (
        shown("Attempts", "count", lambda means: means.attempts),
        shown("Experiments", "number", lambda means: means.experiments),
        shown("Share of the budget spent", "number", lambda means: means.share),
        shown("Repeated, free", "number", lambda means: means.repeated),
        shown("Refused", "number", lambda means: means.refused),
        shown("Failed", "number", lambda means: means.failed),
    )
    title = "Laboratories (means over attempts)"
    return [by_side("laboratories", title, list(sides), ((column(*one),) for one in columns))]


def gap_tables(sides: Mapping[str, Sequence[ArmGap]]) -> list[ResultTable]:
    """What each side loses from one arm to another; no table where none attempted a question in two."""
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
