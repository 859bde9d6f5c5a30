"""Compares one or several runs: each side alone, and sides with each other by pairs of attempts.

Infrastructure failures enter no mean. In a pair, such a failure excludes both sides.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from scribe_suite.analysis import efficiency, statistics
from scribe_suite.analysis.anytime import Anytime, Moments, anytime, moments_of
from scribe_suite.analysis.arms import ArmGap, LaboratoryMeans, arm_gaps, laboratory_means
from scribe_suite.analysis.columns import AttemptColumns, read_attempts
from scribe_suite.analysis.controls import ControlRecord, TaskControl, task_controls
from scribe_suite.analysis.efficiency import Efficiency
from scribe_suite.analysis.grounding import GroundingShares, grounding_shares
from scribe_suite.analysis.pairing import (
    Keys,
    PairedBy,
    Side,
    pair,
    pairs_to_compare,
    require_equal_versions,
    sides_of,
)
from scribe_suite.analysis.reliability import Reliability, reliability
from scribe_suite.analysis.run_notes import run_notes
from scribe_suite.analysis.statistics import Codes, Floats, Grouped, Interval, Unit
from scribe_suite.analysis.summary import UNSCORED_SKILL
from scribe_suite.errors import ConfigurationError
from scribe_suite.ledger.sources import Results

#: Which pairs of sides are compared.
Choice = Callable[[list[Side]], list[tuple[Side, Side]]]

KS = (1, 2, 3, 5, 10, 20, 50, 100)
SIGNIFICANT = 1 - statistics.LEVEL


@dataclass(frozen=True)
class PassRates:
    """Probabilities over k attempts at a task; means over the tasks with at least k attempts.

    Attributes:
        at_least_one: pass@k.
        all: pass^k.
        tasks: How many tasks have at least k attempts that count.
    """

    k: int
    at_least_one: float
    all: float
    tasks: int


@dataclass(frozen=True)
class LevelMeans:
    """The results of one side at the tasks of one level; means over these tasks, as in `SideResult`."""

    level: int
    tasks: int
    skill: float | None
    skill_interval: Interval | None
    solved_rate: float | None
    solved_interval: Interval | None


@dataclass(frozen=True)
class SideResult:
    """The results of one side.

    Attributes:
        skill: Mean over tasks, with its interval in `skill_interval`.
        solved_rate: Mean over tasks.
        metrics: Task -> metric -> mean over the attempts that were scored.
        skills: Task -> mean skill.
        by_level: One entry for each level in the comparison, where it has several; else empty.
        outcomes: Outcome -> attempts.
        tokens: Kind -> sum over all attempts that report it, as for `cost_usd`; the numbers of these attempts are
            `tokens_known` and `cost_known`.
        agent_s: Mean seconds over the attempts that count.
        laboratory: Means over the use of laboratories; None where no attempt had one.
        gaps: Between the arms of the same questions.
        anytime: Skill against effort; None where no submission is known.
        efficiency: Effort against that of the reference; None where it attempted no instance that this side attempted.
        reliability: Confidences, abstentions, consistency.
        grounding: Summary of the claims in the attempts that count; None where none was checked.
    """

    label: str
    provider: str
    run: int
    planned: int
    counted: int
    infrastructure: int
    solved: int
    tasks: int
    skill: float | None
    skill_interval: Interval | None
    solved_rate: float | None
    solved_interval: Interval | None
    passes: tuple[PassRates, ...]
    metrics: dict[str, dict[str, float]]
    skills: dict[str, float]
    by_level: tuple[LevelMeans, ...]
    outcomes: dict[str, int]
    flags: dict[str, int]
    tokens: dict[str, int]
    tokens_known: int
    cost_usd: float | None
    cost_known: int
    agent_s: float | None
    laboratory: LaboratoryMeans | None
    gaps: tuple[ArmGap, ...]
    anytime: Anytime | None
    efficiency: Efficiency | None
    reliability: Reliability
    grounding: GroundingShares | None


@dataclass(frozen=True)
class TaskDifference:
    """Two sides at one task: number of pairs, mean difference of skill, and how many each side alone solved."""

    task: str
    pairs: int
    difference: float
    left_only: int
    right_only: int


@dataclass(frozen=True)
class PairResult:
    """Two sides compared; a difference is left minus right.

    Attributes:
        unit: The unit that is resampled; the interval generalises to other tasks only when the unit is tasks.
        p_corrected: Holm's correction over all pairs; `solved_p_corrected` likewise.
        left_only: Pairs that only the left side solved.
        detectable: The smallest true difference of skill that these pairs would show 4 times out of 5.
        solved_detectable: The same for the solved rate.
    """

    left: str
    right: str
    paired_by: PairedBy
    pairs: int
    tasks: int
    infrastructure: int
    alone: int
    difference: float | None
    interval: Interval | None
    unit: Unit | None
    p: float | None
    p_corrected: float | None
    detectable: float | None
    both: int
    left_only: int
    right_only: int
    neither: int
    solved_difference: float | None
    solved_p: float | None
    solved_p_corrected: float | None
    solved_detectable: float | None
    by_task: tuple[TaskDifference, ...]

    def falls_below(self, tolerance: float) -> bool:
        """Whether the left side is worse by more than `tolerance`, and significantly worse."""
        return (
            self.difference is not None
            and self.difference < -tolerance
            and self.p_corrected is not None
            and self.p_corrected < SIGNIFICANT
        )

    def moved(self, tolerance: float) -> list[TaskDifference]:
        """Tasks whose difference is larger than `tolerance` to either side, the largest first."""
        far = [task for task in self.by_task if abs(task.difference) > tolerance]
        return sorted(far, key=lambda task: (-abs(task.difference), task.task))


@dataclass(frozen=True)
class RunResult:
    """The run that a number refers to."""

    number: int
    run: str
    path: str
    complete: bool


@dataclass(frozen=True)
class Comparison:
    """All results; independent of the order in which the runs were given.

    Attributes:
        versions: Task -> the versions of it that were attempted.
        bounds: Task -> the efficiency of an agent whose spend equals the task's lower bound; only tasks that state one.
        controls: What was measured on the tasks without access to internals; empty unless asked for.
    """

    runs: tuple[RunResult, ...]
    tasks: tuple[str, ...]
    metric_order: dict[str, tuple[str, ...]]
    sides: tuple[SideResult, ...]
    pairs: tuple[PairResult, ...]
    notes: tuple[str, ...]
    versions: dict[str, tuple[int, ...]]
    bounds: dict[str, float]
    controls: tuple[TaskControl, ...] = ()

    def with_controls(self, record: ControlRecord) -> Comparison:
        """A copy with the controls that a record has of its tasks."""
        skills = {side.label: side.skills for side in self.sides}
        return replace(self, controls=task_controls(record, self.tasks, self.versions, skills))


def compare_runs(
    paths: Sequence[Path],
    *,
    allow_different_versions: bool = False,
    complete: Callable[[Results], Results] = lambda run: run,
) -> Comparison:
    """Compare runs.

    Args:
        paths: Ledgers and reports.
        complete: Fills in missing information; see `columns.read_attempts`.
        allow_different_versions: Compare attempts at different versions of a task as if they were at one.

    Raises:
        ConfigurationError: When a file can't be read, there is nothing to compare, or task versions differ.
    """
    attempts = read_attempts(paths, complete)
    if not len(attempts.run):
        raise ConfigurationError(f"There is no attempt yet in {' and '.join(map(str, paths))}: nothing to compare.")
    if not allow_different_versions:
        require_equal_versions(attempts)
    return compare(attempts)


def compare(attempts: AttemptColumns, choose: Choice = pairs_to_compare) -> Comparison:
    """Compare attempts; Holm's correction covers the pairs that `choose` selects."""
    sides = sides_of(attempts)
    skills = np.where(np.isnan(attempts.skill), UNSCORED_SKILL, attempts.skill)
    keys, chosen, moments = Keys(attempts), choose(sides), moments_of(attempts)
    pairs = [_pair_result(attempts, skills, keys, left, right, len(chosen)) for left, right in chosen]
    corrected = statistics.holm([result.p for result in pairs])
    solved_corrected = statistics.holm([result.solved_p for result in pairs])
    return Comparison(
        runs=tuple(
            RunResult(number, info.run, str(info.path), info.complete)
            for number, info in enumerate(attempts.runs, start=1)
        ),
        tasks=attempts.tasks,
        metric_order=attempts.metric_order,
        sides=tuple(
            _side_result(attempts, skills, moments, side, efficiency.efficiency(attempts, moments, keys, sides, side))
            for side in sides
        ),
        pairs=tuple(
            replace(result, p_corrected=p, solved_p_corrected=solved_p)
            for result, p, solved_p in zip(pairs, corrected, solved_corrected, strict=True)
        ),
        notes=tuple(run_notes(attempts)),
        versions=attempts.versions,
        bounds=efficiency.bounds(attempts, moments, sides),
    )


def _side_result(
    attempts: AttemptColumns, skills: Floats, moments: Moments, side: Side, against: Efficiency | None
) -> SideResult:
    rows = side.rows[attempts.counts[side.rows]]
    tasks = attempts.task[rows]
    skill = Grouped.of(skills[rows], tasks)
    solved = Grouped.of(attempts.solved[rows].astype(np.float64), tasks)
    costs, seconds = attempts.cost_usd[side.rows], attempts.agent_s[rows]
    tokens = {kind: column[side.rows] for kind, column in attempts.tokens.items()}
    known = np.any([~np.isnan(column) for column in tokens.values()], axis=0) if tokens else np.zeros(0, bool)
    outcomes = np.bincount(attempts.outcome[side.rows], minlength=len(attempts.outcomes))
    return SideResult(
        label=side.label,
        provider=side.provider,
        run=side.run + 1,
        planned=side.planned,
        counted=len(rows),
        infrastructure=len(side.rows) - len(rows),
        solved=int(attempts.solved[rows].sum()),
        tasks=skill.count,
        skill=statistics.mean(skill),
        skill_interval=statistics.bootstrap_interval(skill),
        solved_rate=statistics.mean(solved),
        solved_interval=statistics.rate_interval(solved),
        passes=_passes(solved),
        metrics=_metric_means(attempts, rows),
        skills=_means_by_task(attempts, rows, skills),
        by_level=_level_means(attempts, rows, skills),
        outcomes={name: int(n) for name, n in zip(attempts.outcomes, outcomes, strict=True) if n},
        flags={
            flag: count
            for (run, provider, flag), count in sorted(attempts.flags.items())
            if (run, provider) == (side.run, side.provider)
        },
        tokens={kind: int(np.nansum(column)) for kind, column in tokens.items() if not np.isnan(column).all()},
        tokens_known=int(known.sum()),
        cost_usd=float(np.nansum(costs)) if not np.isnan(costs).all() else None,
        cost_known=int((~np.isnan(costs)).sum()),
        agent_s=float(np.nanmean(seconds)) if not np.isnan(seconds).all() else None,
        laboratory=laboratory_means(attempts.laboratory, rows),
        gaps=arm_gaps(attempts, skills, rows),
        anytime=anytime(attempts, moments, rows),
        efficiency=against,
        reliability=reliability(attempts, rows),
        grounding=grounding_shares(attempts.grounding, rows),
    )


def _level_means(attempts: AttemptColumns, rows: Codes, skills: Floats) -> tuple[LevelMeans, ...]:
    levels = np.array([attempts.levels[task] for task in attempts.tasks], np.int64)
    distinct = np.unique(levels).tolist()
    if len(distinct) < 2:
        return ()
    means = []
    for level in distinct:
        here = rows[levels[attempts.task[rows]] == level]
        skill = Grouped.of(skills[here], attempts.task[here])
        solved = Grouped.of(attempts.solved[here].astype(np.float64), attempts.task[here])
        means.append(
            LevelMeans(
                level=level,
                tasks=skill.count,
                skill=statistics.mean(skill),
                skill_interval=statistics.bootstrap_interval(skill),
                solved_rate=statistics.mean(solved),
                solved_interval=statistics.rate_interval(solved),
            )
        )
    return tuple(means)


def _passes(solved: Grouped) -> tuple[PassRates, ...]:
    sums = np.bincount(solved.tasks, solved.values, solved.count).astype(np.int64)
    rates = []
    for k in KS:
        enough = solved.sizes >= k
        if enough.any():
            n, c = solved.sizes[enough], sums[enough]
            at_least_one = float(statistics.pass_at_k(n, c, k).mean())
            rates.append(PassRates(k, at_least_one, float(statistics.pass_hat_k(n, c, k).mean()), len(n)))
    return tuple(rates)


def _metric_means(attempts: AttemptColumns, rows: Codes) -> dict[str, dict[str, float]]:
    by_metric = {metric: _means_by_task(attempts, rows, column) for metric, column in attempts.metrics.items()}
    return {
        task: {metric: by_metric[metric][task] for metric in order if task in by_metric[metric]}
        for task, order in attempts.metric_order.items()
    }


def _means_by_task(attempts: AttemptColumns, rows: Codes, column: Floats) -> dict[str, float]:
    values = column[rows]
    known = ~np.isnan(values)
    tasks = attempts.task[rows][known]
    sizes = np.bincount(tasks, minlength=len(attempts.tasks))
    sums = np.bincount(tasks, values[known], len(attempts.tasks))
    return {attempts.tasks[task]: float(sums[task] / sizes[task]) for task in np.flatnonzero(sizes).tolist()}


def _pair_result(
    attempts: AttemptColumns, skills: Floats, keys: Keys, left: Side, right: Side, comparisons: int
) -> PairResult:
    pairs = pair(keys, attempts.counts, left, right)
    grouped = Grouped.of(skills[pairs.left] - skills[pairs.right], attempts.task[pairs.left])
    mine, theirs = attempts.solved[pairs.left], attempts.solved[pairs.right]
    solved = Grouped.of(mine.astype(np.float64) - theirs, attempts.task[pairs.left])
    left_only, right_only = int((mine & ~theirs).sum()), int((~mine & theirs).sum())
    number = len(mine)
    return PairResult(
        left=left.label,
        right=right.label,
        paired_by=pairs.paired_by,
        pairs=number,
        tasks=grouped.count,
        infrastructure=pairs.infrastructure,
        alone=pairs.alone,
        difference=statistics.mean(grouped),
        interval=statistics.bootstrap_interval(grouped),
        unit=grouped.unit if number else None,
        p=statistics.sign_flip_p(grouped),
        p_corrected=None,
        detectable=statistics.detectable_difference(grouped, comparisons),
        both=int((mine & theirs).sum()),
        left_only=left_only,
        right_only=right_only,
        neither=int((~mine & ~theirs).sum()),
        solved_difference=statistics.mean(solved),
        solved_p=statistics.mcnemar_p(left_only, right_only) if number else None,
        solved_p_corrected=None,
        solved_detectable=statistics.detectable_solved(number, left_only + right_only, comparisons),
        by_task=_by_task(attempts, grouped, solved, pairs.left),
    )


def _by_task(attempts: AttemptColumns, skill: Grouped, solved: Grouped, left: Codes) -> tuple[TaskDifference, ...]:
    names = [attempts.tasks[code] for code in np.unique(attempts.task[left]).tolist()]
    left_only = np.bincount(solved.tasks, solved.values > 0, solved.count)
    right_only = np.bincount(solved.tasks, solved.values < 0, solved.count)
    return tuple(
        TaskDifference(name, int(size), float(difference), int(mine), int(theirs))
        for name, size, difference, mine, theirs in zip(
            names, skill.sizes, skill.means, left_only, right_only, strict=True
        )
    )
