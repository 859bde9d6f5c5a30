"""The mathematics of a comparison: pure functions over arrays. Knows nothing about ledgers, providers or tables.

Every formula and its source is in ``docs/reference/statistics.md``. Attempts at one task are correlated, so a mean is
the mean of the tasks' means, and its uncertainty is estimated over tasks if there are enough of them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import special  # scipy.stats has the same functions and takes a second to import

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]
Interval = tuple[float, float]
Unit = Literal["tasks", "attempts"]

LEVEL = 0.95
POWER = 0.8
RESAMPLES = 20_000
#: Any number: the same ledgers always give the same intervals.
SEED = 20_260_101
#: Among n resampled signs, all are the same with probability 2^(1-n): over 5 % for n below 6.
FEWEST_TASKS = 6
FEWEST_PAIRS = 6
#: Up to 2^14 sign patterns are enumerated; of more, a sample is drawn.
EXACT_UNITS = 14
#: From this many values on, resampled means are drawn from their normal approximation.
MANY = 2_000
_CHUNK = 2_000_000
_TIE = 1e-12


@dataclass(frozen=True)
class Grouped:
    """Values and the task each belongs to, in an order that does not depend on where they came from.

    Attributes:
        values: One per attempt or pair.
        tasks: Code of the task, 0 to `count` - 1, each of them present.
        sizes: Values per task.
    """

    values: Floats
    tasks: Codes
    sizes: Codes

    @classmethod
    def of(cls, values: Floats, tasks: Codes) -> Grouped:
        """Group values by arbitrary task codes; the order within a task is kept."""
        if not len(tasks):
            return cls(np.zeros(0), np.zeros(0, np.int64), np.zeros(0, np.int64))
        order = np.argsort(tasks, kind="stable")
        _, codes, sizes = np.unique(tasks[order], return_inverse=True, return_counts=True)
        return cls(values[order].astype(np.float64), codes.astype(np.int64), sizes.astype(np.int64))

    @property
    def count(self) -> int:
        """Number of tasks."""
        return len(self.sizes)

    @property
    def means(self) -> Floats:
        """Mean of each task."""
        return np.bincount(self.tasks, self.values, self.count) / self.sizes

    @property
    def unit(self) -> Unit:
        """The unit that is resampled: tasks or, where these are too few to generalise, the attempts in each."""
        return "tasks" if self.count >= FEWEST_TASKS else "attempts"

    @property
    def contributions(self) -> Floats:
        """What each unit contributes to the mean; the contributions sum to it."""
        if self.unit == "tasks":
            return self.means / self.count
        return self.values / (self.sizes[self.tasks] * self.count)


@dataclass(frozen=True)
class Estimate:
    """A number and its 95 % interval; each None where it is undefined."""

    value: float | None = None
    interval: Interval | None = None


def estimate(grouped: Grouped) -> Estimate:
    """`mean` with `bootstrap_interval`."""
    return Estimate(mean(grouped), bootstrap_interval(grouped))


def mean(grouped: Grouped) -> float | None:
    """Mean over tasks of the tasks' means, or None without values."""
    return float(grouped.means.mean()) if grouped.count else None


def standard_error(grouped: Grouped) -> tuple[float, int] | None:
    """Standard error of `mean` and its degrees of freedom; None where the values can't show a spread."""
    if grouped.unit == "tasks":
        return float(grouped.means.std(ddof=1)) / math.sqrt(grouped.count), grouped.count - 1
    if not _spread_within_tasks(grouped):
        return None
    return (
        math.sqrt(float((_variances(grouped) / grouped.sizes).sum())) / grouped.count,
        len(grouped.values) - grouped.count,
    )


def bootstrap_interval(grouped: Grouped) -> Interval | None:
    """Interval of `mean` by a cluster bootstrap with widened percentiles; None where the values can't show a spread.

    With six tasks or more, tasks are resampled; with fewer, the attempts in each task, and the interval is about these
    tasks only.
    """
    tail = expanded_tail(grouped)
    if tail is None:
        return None
    generator = np.random.default_rng(SEED)
    if grouped.unit == "tasks":
        drawn = _resampled_means(grouped.means, generator)
    else:
        ends = np.cumsum(grouped.sizes)
        parts = [grouped.values[end - size : end] for end, size in zip(ends, grouped.sizes, strict=True)]
        drawn = np.sum([_resampled_means(part, generator) for part in parts], axis=0) / grouped.count
    low, high = np.quantile(drawn, [tail, 1 - tail])
    return float(low), float(high)


def expanded_tail(grouped: Grouped) -> float | None:
    """The share of resampled values that a widened percentile interval cuts off at each end (Hesterberg 2015).

    None where the values can't show a spread, so that there is no interval.
    """
    if grouped.unit == "attempts" and not _spread_within_tasks(grouped):
        return None
    if grouped.unit == "tasks":
        smallest, freedom = grouped.count, grouped.count - 1
    else:
        smallest, freedom = int(grouped.sizes.min()), len(grouped.values) - grouped.count
    return float(special.ndtr(-math.sqrt(smallest / (smallest - 1)) * _student(freedom, (1 + LEVEL) / 2)))


def student_interval(values: Floats) -> Interval | None:
    """Interval of the mean of attempts at one task, by Student's t; None where they can't show a spread.

    Unlike `bootstrap_interval` it needs only two values, and assumes that they are normally distributed.
    """
    if len(values) < 2 or not np.ptp(values):
        return None
    centre = float(values.mean())
    half = _student(len(values) - 1, (1 + LEVEL) / 2) * float(values.std(ddof=1)) / math.sqrt(len(values))
    return centre - half, centre + half


def sign_flip_p(grouped: Grouped) -> float | None:
    """Two-sided p that the mean is 0, by flipping the signs of units; None without values."""
    if not grouped.count:
        return None
    units = grouped.contributions
    units = units[units != 0]
    observed = abs(float(units.sum()))
    if not len(units) or observed < _TIE:
        return 1.0
    if len(units) > MANY:
        return float(2 * special.ndtr(-observed / math.sqrt(float((units**2).sum()))))
    if len(units) <= EXACT_UNITS:
        patterns = (np.arange(2 ** len(units))[:, None] >> np.arange(len(units))) & 1
        return float((np.abs((2 * patterns - 1) @ units) >= observed - _TIE).mean())
    generator = np.random.default_rng(SEED)
    extreme, left = 0, RESAMPLES
    while left:
        rows = min(left, max(1, _CHUNK // len(units)))
        signs = 2 * generator.integers(2, size=(rows, len(units)), dtype=np.int8) - 1
        extreme += int((np.abs(signs @ units) >= observed - _TIE).sum())
        left -= rows
    return (1 + extreme) / (1 + RESAMPLES)


def mcnemar_p(left_only: int, right_only: int) -> float:
    """Two-sided p of McNemar's exact test; 1 when no pair is discordant."""
    discordant = left_only + right_only
    return min(1.0, 2 * float(special.bdtr(min(left_only, right_only), discordant, 0.5))) if discordant else 1.0


def holm(values: Sequence[float | None]) -> list[float | None]:
    """Holm's step-down correction; None stays None and is not counted as a comparison."""
    given = sorted((value, index) for index, value in enumerate(values) if value is not None)
    corrected: list[float | None] = [None] * len(values)
    largest = 0.0
    for rank, (value, index) in enumerate(given):
        largest = max(largest, min(1.0, (len(given) - rank) * value))
        corrected[index] = largest
    return corrected


def detectable_difference(grouped: Grouped, comparisons: int) -> float | None:
    """Smallest true difference that is found with the usual power, given this spread; None without a spread."""
    error = standard_error(grouped)
    if error is None or error[0] == 0:
        return None
    size, freedom = error
    alpha = (1 - LEVEL) / max(1, comparisons)
    return size * (_student(freedom, 1 - alpha / 2) + _student(freedom, POWER))


def detectable_solved(pairs: int, discordant: int, comparisons: int) -> float | None:
    """Smallest difference of solved rates that is found with the usual power, given how often the sides disagreed.

    Never less than what McNemar's test needs to be significant at all; None when no difference is enough.
    """
    alpha = (1 - LEVEL) / max(1, comparisons)
    needed = math.ceil(math.log2(2 / alpha) - _TIE)  # all discordant pairs on one side: p = 2 * 2^-n
    if needed > pairs:
        return None
    quantiles = float(special.ndtri(1 - alpha / 2) + special.ndtri(POWER))
    return min(1.0, max(needed / pairs, quantiles * math.sqrt(discordant) / pairs))


def rate_interval(solved: Grouped) -> Interval | None:
    """Wilson's interval of a rate, with the effective number of attempts given the spread over tasks."""
    rate = mean(solved)
    if rate is None:
        return None
    total = len(solved.values)
    units = solved.count if solved.unit == "tasks" else total
    error = standard_error(solved)
    # a rate of 0 or 1 shows no spread: then every unit counts once
    size = units if error is None or error[0] == 0 else min(float(total), rate * (1 - rate) / error[0] ** 2)
    quantile = _student(units - 1, (1 + LEVEL) / 2) if units > 1 else float(special.ndtri((1 + LEVEL) / 2))
    z2 = quantile**2
    centre = (rate + z2 / (2 * size)) / (1 + z2 / size)
    half = math.sqrt(z2 * rate * (1 - rate) / size + z2**2 / (4 * size**2)) / (1 + z2 / size)
    return max(0.0, centre - half), min(1.0, centre + half)


def pass_at_k(attempts: Codes, solved: Codes, k: int) -> Floats:
    """Per task: the probability that at least one of k attempts drawn from those made is solved, for k <= attempts."""
    return 1 - pass_hat_k(attempts, attempts - solved, k)


def pass_hat_k(attempts: Codes, solved: Codes, k: int) -> Floats:
    """Per task: the probability that all of k attempts drawn from those made are solved, for k <= attempts."""
    steps = np.arange(k)
    rates: Floats = np.prod(np.maximum(0, solved[:, None] - steps) / (attempts[:, None] - steps), axis=1)
    return rates


def _student(freedom: int, probability: float) -> float:
    return float(special.stdtrit(freedom, probability))


def _variances(grouped: Grouped) -> Floats:
    deviations = grouped.values - grouped.means[grouped.tasks]
    return np.bincount(grouped.tasks, deviations**2, grouped.count) / (grouped.sizes - 1)


def _spread_within_tasks(grouped: Grouped) -> bool:
    return len(grouped.values) >= FEWEST_PAIRS and int(grouped.sizes.min()) >= 2


def _resampled_means(values: Floats, generator: np.random.Generator) -> Floats:
    """Means of `RESAMPLES` resamples of the values."""
    size = len(values)
    if size > MANY:
        return generator.normal(values.mean(), values.std() / math.sqrt(size), RESAMPLES)
    drawn = np.empty(RESAMPLES)
    rows = max(1, _CHUNK // size)
    for start in range(0, RESAMPLES, rows):
        stop = min(RESAMPLES, start + rows)
        drawn[start:stop] = values[generator.integers(size, size=(stop - start, size))].mean(axis=1)
    return drawn
