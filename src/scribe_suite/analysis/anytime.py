"""Skill against effort, for one side: the area under the curve, and when the pass mark was first reached."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from scribe_suite.analysis import statistics
from scribe_suite.analysis.columns import AttemptColumns, Bools
from scribe_suite.analysis.courses import EFFORTS, Effort, areas, first_reached, weighted_curve
from scribe_suite.analysis.statistics import Codes, Estimate, Floats, Grouped

#: The limits of a run at which areas end; for the spend, it is the attempt's own budget.
LIMITS: Mapping[Effort, str] = {"seconds": "agent_timeout_s", "tokens": "max_tokens", "cost_usd": "max_cost_usd"}
#: How many steps a mean curve may have; a plot shows no more.
MOST_STEPS = 400


@dataclass(frozen=True)
class Moments:
    """Summary of the submissions of all attempts; NaN where something is not known.

    Attributes:
        limits: Effort -> the limit of each attempt.
        areas: Effort -> area under the curve of skill, up to the limit.
        firsts: Effort -> what had been used at the first submission that reached the pass mark.
    """

    limits: Mapping[Effort, Floats]
    areas: Mapping[Effort, Floats]
    firsts: Mapping[Effort, Floats]


@dataclass(frozen=True)
class AgainstEffort:
    """Skill against one effort.

    Attributes:
        area: Mean over tasks, from `area_attempts` attempts.
        first: Mean over tasks of the attempts that reached the pass mark, `reached` of them; for the spend, as a share
            of the budget.
    """

    area: Estimate
    area_attempts: int
    first: Estimate
    reached: int


@dataclass(frozen=True)
class Anytime:
    """Skill against each effort about which something is known.

    Attributes:
        attempts: How many attempts count and have known submissions.
        submissions: How many submissions they have together.
        reached: How many attempts have a submission that reached the pass mark.
    """

    attempts: int
    submissions: int
    reached: int
    efforts: dict[Effort, AgainstEffort]


def moments_of(attempts: AttemptColumns) -> Moments:
    """Compute the moments of each attempt from its submissions."""
    courses = attempts.courses
    limits = {effort: _limits(attempts, effort) for effort in EFFORTS}
    found = {effort: areas(courses, effort, limits[effort]) for effort in EFFORTS}
    for effort, area in found.items():
        area[_silent(attempts, effort) & ~np.isnan(limits[effort])] = 0.0
    firsts = {effort: first_reached(courses, effort, attempts.pass_mark) for effort in EFFORTS}
    return Moments(limits, found, firsts)


def anytime(attempts: AttemptColumns, moments: Moments, rows: Codes) -> Anytime | None:
    """Skill against effort for some attempts of one side, or None where no submission is known.

    Args:
        attempts: All attempts.
        moments: The moments of all attempts.
        rows: The attempts to use; all of them count.
    """
    submissions = np.bincount(attempts.courses.attempt, minlength=attempts.courses.attempts)[rows]
    if not submissions.any():
        return None
    tasks = attempts.task[rows]
    efforts: dict[Effort, AgainstEffort] = {}
    for effort in EFFORTS:
        first = moments.firsts[effort][rows] / (moments.limits[effort][rows] if effort == "spent" else 1.0)
        area, begun = _grouped(moments.areas[effort][rows], tasks), _grouped(first, tasks)
        if len(area.values) or len(begun.values):
            efforts[effort] = AgainstEffort(
                statistics.estimate(area), len(area.values), statistics.estimate(begun), len(begun.values)
            )
    return Anytime(
        attempts=int(_known(attempts)[rows].sum()),
        submissions=int(submissions.sum()),
        reached=int((~np.isnan(moments.firsts["seconds"][rows])).sum()),
        efforts=efforts,
    )


def mean_curve(attempts: AttemptColumns, rows: Codes, effort: Effort) -> list[tuple[float, float]]:
    """The skill of some attempts over an effort, mean over tasks: where it changes, and its value from there on.

    The spend is given as shares of the budget. At most `MOST_STEPS` changes are distinguished.

    Args:
        attempts: All attempts.
        rows: The attempts to use; those whose effort is not known are left out.
        effort: The effort, such as tokens.
    """
    own = attempts.courses
    used = own.used[effort] / (attempts.budget[own.attempt] if effort == "spent" else 1.0)
    known = _silent(attempts, effort)
    known[own.attempt[~np.isnan(used)]] = True
    rows = rows[known[rows]]
    weights = np.zeros(own.attempts)
    if len(rows):
        _, tasks, sizes = np.unique(attempts.task[rows], return_inverse=True, return_counts=True)
        weights[rows] = 1 / (sizes[tasks] * len(sizes))
    places = np.unique(used[weights[own.attempt] > 0])
    if len(places) > MOST_STEPS:
        places = np.unique(np.quantile(places, np.linspace(0, 1, MOST_STEPS)))
    if not len(places):
        return []
    skills = weighted_curve(replace(own, used={**own.used, effort: used}), effort, weights, places)
    return list(zip(places.tolist(), skills.tolist(), strict=True))


def _grouped(values: Floats, tasks: Codes) -> Grouped:
    known = ~np.isnan(values)
    return Grouped.of(values[known], tasks[known])


def _limits(attempts: AttemptColumns, effort: Effort) -> Floats:
    if effort in LIMITS:
        limits = np.array([run.limits.get(LIMITS[effort], np.nan) for run in attempts.runs])[attempts.run]
    else:
        limits = attempts.budget
    return np.where(limits > 0, limits, np.nan)


def _known(attempts: AttemptColumns) -> Bools:
    """Attempts whose submissions are known, even if there were none; older ledgers don't record them."""
    has = attempts.courses.known
    scored = ~np.isnan(attempts.skill)
    of_today = [bool(has[own].any() or not scored[own].any()) for own in _by_run(attempts)]
    known: Bools = has | (~scored & np.array(of_today, bool)[attempts.run])
    return known


def _silent(attempts: AttemptColumns, effort: Effort) -> Bools:
    """Attempts without a valid answer, whose skill was 0 throughout, and whose record gives this effort."""
    silent: Bools = _known(attempts) & ~attempts.courses.known & _told(attempts, effort)
    return silent


def _by_run(attempts: AttemptColumns) -> list[Bools]:
    return [attempts.run == run for run in range(len(attempts.runs))]


def _told(attempts: AttemptColumns, effort: Effort) -> Bools:
    """Attempts whose record gives how much of an effort they used in total; the time is always recorded."""
    everyone = np.ones(len(attempts.run), bool)
    columns = {
        "seconds": [everyone],
        "spent": [~np.isnan(attempts.budget)],
        "tokens": [~np.isnan(column) for column in attempts.tokens.values()],
        "cost_usd": [~np.isnan(attempts.cost_usd)],
    }
    told: Bools = np.any([~everyone, *columns[effort]], axis=0)
    return told
