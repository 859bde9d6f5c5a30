"""The courses of attempts: the skill of their submissions over effort. Columns, and the mathematics.

Pure functions over arrays; every formula is in ``docs/reference/statistics.md``. Knows nothing about ledgers.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]
Bools = NDArray[np.bool_]

#: The kinds of effort, by the fields of `ledger.records.SubmissionPoint`.
Effort = Literal["seconds", "spent", "tokens", "cost_usd"]
EFFORTS: tuple[Effort, ...] = get_args(Effort)


@dataclass(frozen=True)
class Courses:
    """The submissions of all attempts, one attempt after another.

    Attributes:
        attempt: The row of the attempt that each submission belongs to, in increasing order.
        skill: The skill of each submission.
        used: Effort -> the amount used by each submission, never decreasing within an attempt; NaN for all submissions
            of an attempt if it is missing for one of them.
        attempts: How many attempts there are, with or without submissions.
    """

    attempt: Codes
    skill: Floats
    used: Mapping[Effort, Floats]
    attempts: int

    @property
    def known(self) -> Bools:
        """Which attempts have submissions."""
        known: Bools = np.bincount(self.attempt, minlength=self.attempts) > 0
        return known


class CourseBuilder:
    """Gathers courses in the order in which attempts are read."""

    def __init__(self) -> None:
        self._rows = array("q")
        self._skill = array("d")
        self._used: dict[Effort, array[float]] = {effort: array("d") for effort in EFFORTS}

    def put(self, row: int, points: Iterable[Mapping[str, Any]]) -> None:
        """Add the submissions of an attempt.

        Args:
            row: Its number, larger than those of earlier calls.
            points: Each has ``skill`` and the efforts that are known.
        """
        points = list(points)
        self._rows.extend([row] * len(points))
        self._skill.extend(point["skill"] for point in points)
        for effort, column in self._used.items():
            told = [float(used) for point in points if (used := point.get(effort)) is not None]
            if len(told) < len(points):
                column.extend([float("nan")] * len(points))
            else:  # what a failed run gives back had been used all the same
                column.extend(accumulate(told, max))

    def build(self, order: Codes, length: int) -> Courses:
        """The courses of the selected rows.

        Args:
            order: Their numbers, in the required order.
            length: How many rows were read.
        """
        place = np.full(length, -1, np.int64)
        place[order] = np.arange(len(order))
        rows = place[np.array(self._rows, np.int64)]
        kept = np.argsort(rows, kind="stable")
        kept = kept[rows[kept] >= 0]
        return Courses(
            attempt=rows[kept],
            skill=np.array(self._skill)[kept],
            used={effort: np.array(column)[kept] for effort, column in self._used.items()},
            attempts=len(order),
        )


def areas(courses: Courses, effort: Effort, limits: Floats) -> Floats:
    """Per attempt: the mean of its skill over the effort up to the limit; NaN where either is not known.

    The skill is that of the last submission so far, and 0 before the first.

    Args:
        courses: The courses of all attempts.
        effort: What is used up.
        limits: Per attempt; NaN where there is none.
    """
    limit = limits[courses.attempt]
    begin = np.minimum(courses.used[effort], limit)
    last = np.diff(courses.attempt, append=courses.attempts) != 0
    end = np.where(last, limit, np.roll(begin, -1))
    area = np.bincount(courses.attempt, courses.skill * (end - begin) / limit, courses.attempts)
    return np.where(courses.known, area, np.nan)


def first_reached(courses: Courses, effort: Effort, marks: Floats) -> Floats:
    """Per attempt: the effort at its first submission of at least this skill; NaN without one, or where unknown.

    Args:
        courses: The courses of all attempts.
        effort: What is used up.
        marks: Skill per attempt; NaN where there is none.
    """
    reached = np.flatnonzero(courses.skill >= marks[courses.attempt])
    attempts, places = np.unique(courses.attempt[reached], return_index=True)
    first = np.full(courses.attempts, np.nan)
    first[attempts] = courses.used[effort][reached[places]]
    return first


def weighted_curve(courses: Courses, effort: Effort, weights: Floats, at: Floats) -> Floats:
    """The weighted mean of the attempts' skills at given efforts.

    Args:
        courses: The courses of all attempts.
        effort: What is used up.
        weights: Per attempt, 0 for those that are left out.
        at: Efforts, in increasing order.

    Returns:
        One skill for each of `at`.
    """
    first = np.diff(courses.attempt, prepend=-1) != 0
    steps = (courses.skill - np.where(first, 0.0, np.roll(courses.skill, 1))) * weights[courses.attempt]
    # a step counts from the first of the efforts that is not below it
    places = np.searchsorted(at, courses.used[effort], side="left")
    curve: Floats = np.bincount(places, steps, len(at) + 1)[: len(at)].cumsum() / weights.sum()
    return curve
