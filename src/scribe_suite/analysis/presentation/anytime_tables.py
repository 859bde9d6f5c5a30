"""Tables of skill against effort and of efficiency, with their notes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from scribe_suite.analysis.anytime import AgainstEffort, Anytime
from scribe_suite.analysis.courses import EFFORTS, Effort
from scribe_suite.analysis.efficiency import COMPARED, Efficiency, EffortEfficiency
from scribe_suite.analysis.presentation.result_table import Column, Kind, ResultTable, by_side, column
from scribe_suite.analysis.statistics import Estimate

_NOTHING = AgainstEffort(Estimate(), 0, Estimate(), 0)


@dataclass(frozen=True)
class EffortWords:
    """The words for an effort.

    Attributes:
        name: The name of the effort.
        first: Title of the column with the amount used when the pass mark was reached.
        kind: The kind of that column.
    """

    name: str
    first: str
    kind: Kind


WORDS: Mapping[Effort, EffortWords] = {
    "seconds": EffortWords("time", "First, s", "seconds"),
    "spent": EffortWords("spend", "First, share of the budget", "number"),
    "tokens": EffortWords("tokens", "First, tokens", "tokens"),
    "cost_usd": EffortWords("cost", "First, USD", "money"),
}


def anytime_tables(sides: Mapping[str, Anytime | None]) -> list[ResultTable]:
    """A row for each side and columns for each effort about which something is known; no table where nothing is."""
    known = {label: one for label, one in sides.items() if one is not None}
    if not known:
        return []
    shown = [effort for effort in EFFORTS if any(effort in one.efforts for one in known.values())]
    counts = (
        column("Attempts", "count", (one.attempts for one in known.values())),
        column("Submissions", "count", (one.submissions for one in known.values())),
        column("Reached", "count", (one.reached for one in known.values())),
    )
    blocks = [counts, *(_effort_block(effort, list(known.values())) for effort in shown)]
    title = "Skill against effort: area under the curve, and when the pass mark was first reached"
    return [by_side("anytime", title, list(known), blocks)]


def efficiency_tables(
    sides: Mapping[str, Efficiency | None], tasks: Sequence[str], bounds: Mapping[str, float]
) -> list[ResultTable]:
    """Efficiency of each side, and by task; no table where no agent attempted an instance of the reference's.

    Args:
        sides: By their labels.
        tasks: All tasks, in order.
        bounds: Task -> efficiency of an agent whose spend equals the task's lower bound.
    """
    known = {label: one for label, one in sides.items() if one is not None}
    if not known:
        return []
    shown = [effort for effort in COMPARED if any(effort in one.efforts for one in known.values())]
    counts = (
        column("Against", "text", (one.against for one in known.values())),
        column("Attempts", "count", (one.paired for one in known.values())),
        column("Unsolved", "count", (one.unsolved for one in known.values())),
    )
    blocks = [counts, *(_efficiency_block(effort, list(known.values())) for effort in shown)]
    title = "Efficiency: log2 of the reference's effort / the agent's, when each first reached the pass mark"
    tables = [by_side("efficiency", title, list(known), blocks)]
    if shown:
        tables.append(_by_task(known, tasks, bounds, shown))
    return tables


def efficiency_column(sides: Sequence[Efficiency | None]) -> tuple[Column, ...]:
    """The most informative efficiency that some side has, to show next to skill."""
    for effort in COMPARED:
        found = [None if one is None else one.efforts.get(effort) for one in sides]
        if any(found):
            values = (None if one is None else one.value.value for one in found)
            return (column(f"Efficiency: {WORDS[effort].name}", "difference", values),)
    return ()


def anytime_notes(anytime: Anytime, counted: int) -> Iterator[str]:
    """What the table of one side can't show.

    Args:
        anytime: This side's curves.
        counted: Attempts of the side that count.
    """
    if anytime.attempts < counted:
        yield f"submissions are known of {anytime.attempts} of {counted} attempts."
    for effort, one in anytime.efforts.items():
        if one.reached < anytime.reached:
            name = WORDS[effort].name
            yield f"of the {anytime.reached} attempts that reached the pass mark, {one.reached} tell their {name}."


def efficiency_notes(efficiency: Efficiency) -> Iterator[str]:
    """What the table of one side can't show."""
    if number := efficiency.reference_unsolved:
        yield f"solved attempts without efficiency, because the reference did not solve their instance: {number}."
    for effort, one in efficiency.efforts.items():
        if one.no_ratio:
            name = WORDS[effort].name
            yield f"pairs without efficiency in {name}, because one of the two had used none: {one.no_ratio}."


def _effort_block(effort: Effort, sides: Sequence[Anytime]) -> tuple[Column, ...]:
    words = WORDS[effort]
    found = [one.efforts.get(effort, _NOTHING) for one in sides]
    area = (
        column(f"Area: {words.name}", "number", (one.area.value for one in found)),
        column(f"Area: {words.name}: 95 %", "interval", (one.area.interval for one in found)),
    )
    first = (
        column(words.first, words.kind, (one.first.value for one in found)),
        column(f"{words.first}: 95 %", words.kind, (one.first.interval for one in found)),
    )
    has_area, has_first = any(one.area_attempts for one in found), any(one.reached for one in found)
    return (*(area if has_area else ()), *(first if has_first else ()))


def _efficiency_block(effort: Effort, sides: Sequence[Efficiency]) -> tuple[Column, ...]:
    nothing = EffortEfficiency(Estimate(), 0, 0, {})
    found, name = [one.efforts.get(effort, nothing) for one in sides], WORDS[effort].name
    return (
        column(f"Efficiency: {name}", "difference", (one.value.value for one in found)),
        column(f"Efficiency: {name}: 95 %", "interval", (one.value.interval for one in found)),
        column(f"Pairs: {name}", "count", (one.pairs for one in found)),
    )


def _by_task(
    sides: Mapping[str, Efficiency], tasks: Sequence[str], bounds: Mapping[str, float], shown: Sequence[Effort]
) -> ResultTable:
    found = {task for one in sides.values() for own in one.efforts.values() for task in own.by_task}
    rows = [task for task in tasks if task in found]
    blocks = [
        tuple(
            Column(WORDS[effort].name.capitalize(), "difference", tuple(own.by_task.get(task) for task in rows), label)
            for label, one in sides.items()
            if (own := one.efforts.get(effort)) is not None
        )
        for effort in shown
    ]
    if any(task in bounds for task in rows):
        place = shown.index("spent") + 1 if "spent" in shown else 0
        blocks.insert(place, (Column("Bound: spend", "difference", tuple(bounds.get(task) for task in rows)),))
    return ResultTable("task_efficiency", "Efficiency by task", "Task", tuple(rows), tuple(blocks))
