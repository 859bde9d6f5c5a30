"""Effort relative to the reference solution, a scale that does not saturate when every task is solved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from scribe_suite.analysis import statistics
from scribe_suite.analysis.anytime import Moments
from scribe_suite.analysis.columns import AttemptColumns
from scribe_suite.analysis.courses import Effort
from scribe_suite.analysis.pairing import Keys, Pairs, Side, pair
from scribe_suite.analysis.statistics import Codes, Estimate, Floats, Grouped
from scribe_suite.tasks.solutions import REFERENCE

#: Efforts that are compared, the most informative one first.
COMPARED: tuple[Effort, ...] = ("spent", "tokens", "seconds")


@dataclass(frozen=True)
class EffortEfficiency:
    """Efficiency in one effort.

    Attributes:
        value: Mean over tasks.
        pairs: The number of pairs in it.
        no_ratio: The number of pairs in which both are solved and one used nothing.
        by_task: Task -> mean of its pairs.
    """

    value: Estimate
    pairs: int
    no_ratio: int
    by_task: dict[str, float]


@dataclass(frozen=True)
class Efficiency:
    """One side against the reference.

    Attributes:
        against: Label of the reference's side.
        paired: Attempts on an instance that the reference also attempted, where both count.
        unsolved: Those of them that the agent did not solve.
        reference_unsolved: Those of the others that the reference did not solve.
        efforts: Only efforts that are known for both.
    """

    against: str
    paired: int
    unsolved: int
    reference_unsolved: int
    efforts: dict[Effort, EffortEfficiency]


def efficiency(
    attempts: AttemptColumns, moments: Moments, keys: Keys, sides: Sequence[Side], side: Side
) -> Efficiency | None:
    """A side against the reference on the same instances; None without a reference, or for the reference itself."""
    found = None if side.provider == REFERENCE else _reference(attempts, keys, sides, side)
    if found is None:
        return None
    reference, pairs = found
    mine, theirs = attempts.solved[pairs.left], attempts.solved[pairs.right]
    left, right = pairs.left[mine & theirs], pairs.right[mine & theirs]
    efforts: dict[Effort, EffortEfficiency] = {}
    for effort in COMPARED:
        own, needed = moments.firsts[effort][left], moments.firsts[effort][right]
        told = ~np.isnan(own) & ~np.isnan(needed)
        usable = told & (own > 0) & (needed > 0)
        if told.any():
            ratios, tasks = np.log2(needed[usable] / own[usable]), attempts.task[left[usable]]
            efforts[effort] = EffortEfficiency(
                value=statistics.estimate(Grouped.of(ratios, tasks)),
                pairs=int(usable.sum()),
                no_ratio=int((told & ~usable).sum()),
                by_task=_by_task(attempts, ratios, tasks),
            )
    return Efficiency(
        against=reference.label,
        paired=len(mine),
        unsolved=int((~mine).sum()),
        reference_unsolved=int((mine & ~theirs).sum()),
        efforts=efforts,
    )


def bounds(attempts: AttemptColumns, moments: Moments, sides: Sequence[Side]) -> dict[str, float]:
    """Task -> efficiency of an agent whose spend equals the task's lower bound; only tasks that state one."""
    rows = np.concatenate([np.zeros(0, np.int64), *(side.rows for side in sides if side.provider == REFERENCE)])
    rows = rows[attempts.counts[rows] & attempts.solved[rows]]
    needed, bound = moments.firsts["spent"][rows], attempts.bound[rows]
    usable = (needed > 0) & (bound > 0)  # so neither is NaN
    return _by_task(attempts, np.log2(needed[usable] / bound[usable]), attempts.task[rows[usable]])


def _reference(attempts: AttemptColumns, keys: Keys, sides: Sequence[Side], side: Side) -> tuple[Side, Pairs] | None:
    """The reference with the most instances in common with a side; that of the same run is preferred."""
    found = [
        (other, pairs)
        for other in sides
        if other.provider == REFERENCE
        and (pairs := pair(keys, attempts.counts, side, other)).paired_by == "instance"
        and len(pairs.left)
    ]
    return max(found, key=lambda one: (one[0].run == side.run, len(one[1].left), -one[0].run), default=None)


def _by_task(attempts: AttemptColumns, values: Floats, tasks: Codes) -> dict[str, float]:
    grouped = Grouped.of(values, tasks)
    names = [attempts.tasks[code] for code in np.unique(tasks).tolist()]
    return dict(zip(names, grouped.means.tolist(), strict=True))
