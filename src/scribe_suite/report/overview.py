"""The first page: results by provider and task, cost, and attempts that could not be counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from statistics import fmean

from markupsafe import Markup

from scribe_suite.ledger.families import family_view
from scribe_suite.ledger.records import AttemptRecord
from scribe_suite.report.anytime import anytime_section
from scribe_suite.report.controls import control_section
from scribe_suite.report.pages import task_href
from scribe_suite.report.plots import Labels, Point, dot_plot, scatter_plot
from scribe_suite.report.reliability import reliability_section
from scribe_suite.report.views import (
    AttemptRef,
    Cell,
    ProviderView,
    RunView,
    is_infrastructure,
    mean,
    token_count,
)

#: Most attempts in a list on this page; if more have failed, they usually have one cause.
MAX_LISTED = 500


@dataclass(frozen=True)
class TaskRow:
    """A task in a family's table: a cell for every provider."""

    task: str
    href: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class FamilySection:
    """A family on the overview."""

    family: str
    plot: Markup
    rows: tuple[TaskRow, ...]


@dataclass(frozen=True)
class Measure:
    """A resource that attempts use.

    Attributes:
        name: Its name in ids.
        title: The plot's title.
        axis: The title of its axis.
        missing: The text for the case that no attempt reports it.
        of: Gets it from a record; None where unknown.
    """

    name: str
    title: str
    axis: str
    missing: str
    of: Callable[[AttemptRecord], float | None]


MEASURES = (
    Measure(
        "time",
        "Time",
        "Seconds of the agent, mean of the attempts",
        "No attempt has a known time.",
        lambda record: record.times.agent_s,
    ),
    Measure(
        "tokens",
        "Tokens",
        "Tokens in and out, mean of the attempts",
        "No attempt has counted tokens: that is so for providers without a language model.",
        token_count,
    ),
)


@dataclass(frozen=True)
class PlotSection:
    """A plot, or the reason why there is none."""

    title: str
    plot: Markup | None
    missing: str = ""


def overview_context(run: RunView) -> dict[str, object]:
    """The context of the overview's template."""
    providers = [run.provider(name) for name in run.providers]
    outcomes = Counter(attempt.record.outcome for attempt in run.current)
    failures = [attempt for attempt in run.attempts if is_infrastructure(attempt.record)]
    return {
        "run": run,
        "providers": providers,
        "families": [_family_section(run, family) for family in run.families],
        "plots": [_cost_section(run, providers), *(_measure_section(run, measure) for measure in MEASURES)],
        "anytime": anytime_section(run),
        "reliability": reliability_section(run),
        "controls": control_section(run),
        "outcomes": sorted(outcomes.items(), key=lambda item: (-item[1], item[0])),
        "failures": failures[:MAX_LISTED],
        "failures_left_out": max(0, len(failures) - MAX_LISTED),
        "missing": run.missing[:MAX_LISTED],
        "missing_left_out": max(0, len(run.missing) - MAX_LISTED),
        "flagged": [attempt for attempt in run.current if attempt.record.flags][:MAX_LISTED],
        "versions": run.header.lock.get("packages", {}),
        "git": run.header.lock.get("git", {}),
    }


def pass_marks(attempts: tuple[AttemptRef, ...] | list[AttemptRef]) -> list[float]:
    """The common pass mark of these attempts, if there is one."""
    marks = {attempt.record.pass_mark for attempt in attempts}
    return [mark for mark in marks if mark is not None] if len(marks) == 1 else []


def skill_limits(skills: list[float]) -> tuple[float, float]:
    """The axis for skills: from 0 to 1, extended below 0 where needed."""
    return min(-0.05, *(skill - 0.05 for skill in skills)) if skills else -0.05, 1.05


def _family_section(run: RunView, family: str) -> FamilySection:
    tasks = run.tasks_of(family)
    rows = tuple(
        TaskRow(task, task_href(task), tuple(run.cell(task, name) for name in run.providers)) for task in tasks
    )
    points = {
        row.task.partition("/")[2]: {
            name: [Point(cell.mean, cell.interval)]
            for name, cell in zip(run.providers, row.cells, strict=True)
            if cell.mean is not None
        }
        for row in rows
    }
    ends = [end for row in rows for cell in row.cells for end in (cell.interval or ()) + tuple(cell.skills)]
    title = family_view(family).title
    plot = dot_plot(
        points,
        run.providers,
        Labels(
            f"skill-{family}",
            f"Skill by task and provider: {title}",
            "A row for each task; a mark for each provider at its mean skill, with a line for the 95 % interval. The "
            "table below has the numbers.",
            "Skill (0: chance, 1: reference)",
        ),
        limits=skill_limits(ends),
        lines=pass_marks([attempt for row in rows for cell in row.cells for attempt in cell.attempts]),
    )
    return FamilySection(family, plot, rows)


def _cost_section(run: RunView, providers: list[ProviderView]) -> PlotSection:
    title = "Cost against skill"
    points: dict[str, list[tuple[float, float]]] = {}
    for provider in providers:
        cells = [run.cell(task, provider.name) for task in run.tasks]
        pairs = [
            (cost, cell.mean)
            for cell in cells
            if cell.mean is not None
            and (cost := mean([a.record.cost_usd for a in cell.attempts if a.record.counts])) is not None
        ]
        if pairs:
            points[provider.name] = pairs
    if not points:
        return PlotSection(title, None, "No attempt has a known cost.")
    means = {name: (fmean(x for x, _ in pairs), fmean(y for _, y in pairs)) for name, pairs in points.items()}
    labels = Labels(
        "cost",
        title,
        "A small mark for each task, a large one for the mean of a provider; higher and further left is better. The "
        "table of providers has the sums.",
        "US dollars per attempt",
    )
    return PlotSection(title, scatter_plot(points, means, labels))


def _measure_section(run: RunView, measure: Measure) -> PlotSection:
    rows: dict[str, dict[str, list[Point]]] = {}
    for task in run.tasks:
        for name in run.providers:
            used = mean([measure.of(a.record) for a in run.cell(task, name).attempts if a.record.counts])
            if used is not None:
                rows.setdefault(task.partition("/")[2], {})[name] = [Point(used)]
    if not rows:
        return PlotSection(measure.title, None, measure.missing)
    labels = Labels(
        measure.name,
        f"{measure.title} by task and provider",
        "A row for each task; a mark for each provider. The pages of the tasks have the numbers.",
        measure.axis,
    )
    return PlotSection(measure.title, dot_plot(rows, run.providers, labels))
