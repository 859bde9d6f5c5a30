"""A comparison as tables of values, which every format shows in its own way.

The original suite's tables come first: a row per task, for every metric a column per provider.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from scribe_suite.analysis.comparison import Comparison, LevelMeans, PairResult, PassRates, SideResult
from scribe_suite.analysis.presentation.anytime_tables import (
    anytime_notes,
    anytime_tables,
    efficiency_column,
    efficiency_notes,
    efficiency_tables,
)
from scribe_suite.analysis.presentation.arm_tables import gap_tables, laboratory_tables
from scribe_suite.analysis.presentation.control_table import control_notes, control_table
from scribe_suite.analysis.presentation.reliability_tables import reliability_notes, reliability_tables
from scribe_suite.analysis.presentation.result_table import (
    Column,
    Kind,
    ResultTable,
    Value,
    by_side,
    column,
    column_of,
)
from scribe_suite.analysis.statistics import FEWEST_TASKS
from scribe_suite.ledger.families import family_view, metric_label

#: With more pairs than this, the table by task has no columns for them: it would be unreadable.
_MOST_PAIRS = 12


def tables_of(comparison: Comparison) -> list[ResultTable]:
    """All tables that have something to show."""
    families = list(dict.fromkeys(task.partition("/")[0] for task in comparison.tasks))
    tables = [table for family in families for table in _family(comparison, family)]
    tables += [
        _sides(comparison.sides),
        *_levels(comparison.sides),
        *_passes(comparison.sides),
        *laboratory_tables({side.label: side.laboratory for side in comparison.sides}),
        *gap_tables({side.label: side.gaps for side in comparison.sides}),
        *anytime_tables({side.label: side.anytime for side in comparison.sides}),
        *efficiency_tables(
            {side.label: side.efficiency for side in comparison.sides}, comparison.tasks, comparison.bounds
        ),
        *reliability_tables({side.label: side.reliability for side in comparison.sides}),
        *_claims(comparison.sides),
        _costs(comparison.sides),
    ]
    tables.append(_outcomes(comparison.sides))
    if comparison.controls:
        tables.append(control_table(comparison.controls, [side.label for side in comparison.sides]))
    if comparison.pairs:
        tables += [_skill_differences(comparison.pairs), _solved_differences(comparison.pairs)]
    if 0 < len(comparison.pairs) <= _MOST_PAIRS:
        tables.append(_by_task(comparison))
    return tables


def difference_tables(comparison: Comparison, tolerance: float) -> list[ResultTable]:
    """The differences between sides: skill, solved rates, and the tasks that changed by more than `tolerance`."""
    if not comparison.pairs:
        return []
    tables = [_skill_differences(comparison.pairs), _solved_differences(comparison.pairs)]
    return tables + [_moved(pair, tolerance) for pair in comparison.pairs if pair.moved(tolerance)]


def notes_of(comparison: Comparison) -> list[str]:
    """What the tables can't show."""
    lines = []
    if len(comparison.runs) > 1:
        lines += [f"#{run.number} is run {run.run} ({run.path})." for run in comparison.runs]
    lines += comparison.notes
    for side in comparison.sides:
        lines += [
            f"{side.label}: the flag {flag} is on {count} of {side.counted} attempts."
            for flag, count in side.flags.items()
        ]
        lines += [
            f"{side.label}: {known} of {side.counted + side.infrastructure} attempts tell {what}."
            for what, known in (("their tokens", side.tokens_known), ("their cost", side.cost_known))
            if 0 < known < side.counted + side.infrastructure
        ]
        lines += [
            f"{side.label}: pass@{rates.k} is of the {rates.tasks} of {side.tasks} tasks that have {rates.k} attempts."
            for rates in side.passes
            if rates.tasks < side.tasks
        ]
        if side.anytime is not None:
            lines += [f"{side.label}: {line}" for line in anytime_notes(side.anytime, side.counted)]
        if side.efficiency is not None:
            lines += [f"{side.label}: {line}" for line in efficiency_notes(side.efficiency)]
        lines += [f"{side.label}: {line}" for line in reliability_notes(side.reliability)]
    if comparison.controls:
        lines += control_notes(comparison.controls, comparison.tasks)
    for pair in comparison.pairs:
        lines += [f"{pair_label(pair)}: {line}" for line in _pair_notes(pair)]
    return lines


def pair_label(pair: PairResult) -> str:
    """The name of a pair."""
    return f"{pair.left} - {pair.right}"


def _pair_notes(pair: PairResult) -> list[str]:
    if not pair.pairs and not pair.infrastructure:
        return ["they have no task and trial in common. Shards of one run are merged first (scribe-suite merge)."]
    lines = []
    if pair.paired_by == "task and trial":
        lines.append(
            "paired by task and trial, because they share no instance (or no file tells which they were). Give both "
            "runs one --instance-seed for a sharper comparison."
        )
    if pair.infrastructure:
        lines.append(f"pairs left out because infrastructure failed on a side: {pair.infrastructure}.")
    if pair.alone:
        lines.append(f"attempts that count and have no partner: {pair.alone}.")
    if pair.pairs and pair.unit == "attempts":
        lines.append(f"fewer than {FEWEST_TASKS} tasks: interval and p speak of these tasks only.")
    if pair.pairs and pair.interval is None:
        lines.append("too few attempts per task for an interval.")
    return lines


def _family(comparison: Comparison, family: str) -> list[ResultTable]:
    """The metrics that all tasks of a family share, and skill; then those of some tasks, with these tasks' rows."""
    tasks = [task for task in comparison.tasks if task.startswith(f"{family}/")]
    title = family_view(family).title
    having: dict[str, tuple[str, ...]] = {
        metric: tuple(task for task in tasks if metric in comparison.metric_order.get(task, ()))
        for metric in dict.fromkeys(metric for task in tasks for metric in comparison.metric_order.get(task, ()))
    }
    # a task without metrics had no valid answer, and shows nothing about what tasks share
    scored = tuple(task for task in tasks if comparison.metric_order.get(task))
    shared = [metric for metric, own in having.items() if own == scored]
    skill = tuple(
        Column("Skill", "number", tuple(side.skills.get(task) for task in tasks), side.label)
        for side in comparison.sides
    )
    whole = _metrics_of(comparison.sides, tasks, shared)
    tables = [ResultTable(family, title, "Task", _names(tasks), (*whole, skill))]
    for own in dict.fromkeys(own for own in having.values() if own != scored):
        metrics = [metric for metric, theirs in having.items() if theirs == own]
        further = f"{title}: {', '.join(map(metric_label, metrics))}"
        tables.append(ResultTable(family, further, "Task", _names(own), _metrics_of(comparison.sides, own, metrics)))
    return tables


def _metrics_of(
    sides: Sequence[SideResult], tasks: Sequence[str], metrics: Iterable[str]
) -> tuple[tuple[Column, ...], ...]:
    return tuple(
        tuple(
            Column(
                metric_label(metric),
                "number",
                tuple(side.metrics.get(task, {}).get(metric) for task in tasks),
                side.label,
            )
            for side in sides
        )
        for metric in metrics
    )


def _names(tasks: Iterable[str]) -> tuple[str, ...]:
    return tuple(task.partition("/")[2] for task in tasks)


def _sides(sides: Sequence[SideResult]) -> ResultTable:
    coverage = (
        column("Planned", "count", (side.planned for side in sides)),
        column("Scored", "count", (side.counted for side in sides)),
        column("Infrastructure", "count", (side.infrastructure for side in sides)),
        column("Tasks", "count", (side.tasks for side in sides)),
    )
    skill = (
        column("Skill", "number", (side.skill for side in sides)),
        column("95 % interval", "interval", (side.skill_interval for side in sides)),
        *efficiency_column([side.efficiency for side in sides]),
    )
    solved = (
        column("Solved", "count", (side.solved for side in sides)),
        column("Solved rate", "number", (side.solved_rate for side in sides)),
        column("95 % interval of the rate", "interval", (side.solved_interval for side in sides)),
    )
    return by_side(
        "providers", "Providers (means over tasks)", [side.label for side in sides], (skill, solved, coverage)
    )


def _levels(sides: Sequence[SideResult]) -> list[ResultTable]:
    levels = [means.level for means in sides[0].by_level] if sides else []
    if not levels:
        return []  # one level: the means over all tasks say it all

    def block(title: str, kind: Kind, value: Callable[[LevelMeans], Value]) -> tuple[Column, ...]:
        return tuple(Column(title, kind, tuple(map(value, side.by_level)), side.label) for side in sides)

    blocks = (
        block("Tasks", "count", lambda means: means.tasks),
        block("Skill", "number", lambda means: means.skill),
        block("95 % interval", "interval", lambda means: means.skill_interval),
        block("Solved rate", "number", lambda means: means.solved_rate),
        block("95 % interval of the rate", "interval", lambda means: means.solved_interval),
    )
    return [ResultTable("levels", "Levels (means over their tasks)", "Level", tuple(map(str, levels)), blocks)]


def _passes(sides: Sequence[SideResult]) -> list[ResultTable]:
    ks = sorted({rates.k for side in sides for rates in side.passes})
    if ks in ([], [1]):
        return []  # one trial: the solved rate says it all

    def rates(side: SideResult, k: int) -> PassRates | None:
        return next((found for found in side.passes if found.k == k), None)

    columns = [
        column(f"pass@{k}", "number", (found.at_least_one if (found := rates(side, k)) else None for side in sides))
        for k in ks
    ] + [
        column(f"pass^{k}", "number", (found.all if (found := rates(side, k)) else None for side in sides)) for k in ks
    ]
    title = "Solved by one of k attempts (pass@k), by all of k (pass^k)"
    return [by_side("passes", title, [side.label for side in sides], ((own,) for own in columns))]


def _claims(sides: Sequence[SideResult]) -> list[ResultTable]:
    if not any(side.grounding for side in sides):
        return []  # no answer was checked: old ledgers whose folders are gone, providers that answer nothing

    shares = [side.grounding for side in sides]
    columns = (
        column_of("Answers checked", "count", shares, lambda one: one.attempts),
        column_of("Claims", "count", shares, lambda one: one.claims),
        column_of("Numbers in summaries", "count", shares, lambda one: one.numbers),
        column_of("With provenance", "number", shares, lambda one: one.provenance),
        column_of("Contradicted", "number", shares, lambda one: one.contradicted),
        column_of("Shown again by replay", "number", shares, lambda one: one.reproduced),
        column_of("Not told: other results", "count", shares, lambda one: one.untold),
        column_of("Not told: failed checks", "count", shares, lambda one: one.failed_checks),
    )
    labels = [side.label for side in sides]
    return [by_side("claims", "Claims, and numbers in summaries (in no score)", labels, ((own,) for own in columns))]


def _costs(sides: Sequence[SideResult]) -> ResultTable:
    kinds = sorted({kind for side in sides for kind in side.tokens})
    columns = [
        column(f"Tokens: {kind.replace('_', ' ')}", "count", (side.tokens.get(kind) for side in sides))
        for kind in kinds
    ]
    columns += [
        column("Cost, USD", "money", (side.cost_usd for side in sides)),
        column("Cost per solved, USD", "money", (_ratio(side.cost_usd, side.solved) for side in sides)),
        column("Time per attempt, s", "seconds", (side.agent_s for side in sides)),
    ]
    return by_side("costs", "Tokens, cost and time", [side.label for side in sides], ((own,) for own in columns))


def _outcomes(sides: Sequence[SideResult]) -> ResultTable:
    outcomes = sorted({outcome for side in sides for outcome in side.outcomes})
    columns = [column(outcome, "count", (side.outcomes.get(outcome, 0) for side in sides)) for outcome in outcomes]
    columns.append(
        column("not run", "count", (max(0, side.planned - side.counted - side.infrastructure) for side in sides))
    )
    return by_side("outcomes", "Outcomes", [side.label for side in sides], ((own,) for own in columns))


def _skill_differences(pairs: Sequence[PairResult]) -> ResultTable:
    size = (
        column("Pairs", "count", (pair.pairs for pair in pairs)),
        column("Tasks", "count", (pair.tasks for pair in pairs)),
    )
    test = (
        column("Difference", "difference", (pair.difference for pair in pairs)),
        column("95 % interval", "interval", (pair.interval for pair in pairs)),
        column("p", "p", (pair.p for pair in pairs)),
        column("p (Holm)", "p", (pair.p_corrected for pair in pairs)),
        column("Could have detected", "number", (pair.detectable for pair in pairs)),
    )
    title = "Differences of skill, paired"
    return ResultTable("skill_differences", title, "Pair", tuple(map(pair_label, pairs)), (size, test))


def _solved_differences(pairs: Sequence[PairResult]) -> ResultTable:
    counts = (
        column("Both", "count", (pair.both for pair in pairs)),
        column("Only the first", "count", (pair.left_only for pair in pairs)),
        column("Only the second", "count", (pair.right_only for pair in pairs)),
        column("Neither", "count", (pair.neither for pair in pairs)),
    )
    test = (
        column("Difference", "difference", (pair.solved_difference for pair in pairs)),
        column("p (McNemar)", "p", (pair.solved_p for pair in pairs)),
        column("p (Holm)", "p", (pair.solved_p_corrected for pair in pairs)),
        column("Could have detected", "number", (pair.solved_detectable for pair in pairs)),
    )
    title = "Differences of the solved rate, paired"
    return ResultTable("solved_differences", title, "Pair", tuple(map(pair_label, pairs)), (counts, test))


def _by_task(comparison: Comparison) -> ResultTable:
    columns = []
    for pair in comparison.pairs:
        differences = {entry.task: entry.difference for entry in pair.by_task}
        values = tuple(differences.get(task) for task in comparison.tasks)
        columns.append((Column("Difference", "difference", values, pair_label(pair)),))
    title = "Differences of skill by task"
    return ResultTable("task_differences", title, "Task", comparison.tasks, tuple(columns), of="Pair")


def _moved(pair: PairResult, tolerance: float) -> ResultTable:
    moved = pair.moved(tolerance)
    columns = [
        column("Pairs", "count", (task.pairs for task in moved)),
        column("Difference of skill", "difference", (task.difference for task in moved)),
        column("Only the first solved", "count", (task.left_only for task in moved)),
        column("Only the second solved", "count", (task.right_only for task in moved)),
    ]
    return ResultTable(
        "moved",
        f"Tasks that moved by more than {tolerance:g}: {pair_label(pair)}",
        "Task",
        tuple(task.task for task in moved),
        tuple((column,) for column in columns),
    )


def _ratio(total: float | None, number: int) -> float | None:
    return None if total is None or not number else total / number
