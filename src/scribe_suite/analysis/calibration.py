"""The mathematics of confidence: how well stated probabilities of being solved agree with what was solved.

Pure functions of a `ConfidenceTable`: the weight of the attempts with each confidence, solved and unsolved. They take
a stack of tables as well, so that a bootstrap evaluates its resamples at once. Every formula and its source is in
``docs/reference/statistics.md``. Knows nothing about ledgers and providers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from scribe_suite.analysis.statistics import RESAMPLES, SEED, Codes, Floats, Grouped, Interval, expanded_tail

BINS = 10
#: With fewer attempts, the calibration error reflects their small number more than the agent.
FEW_ATTEMPTS = 100
#: How many different confidences are distinguished; if there are more, they are rounded.
_MOST_LEVELS = 200
_DECIMALS = 2
#: An interval needs a value from this share of the resamples: some have none where nearly everything is solved.
_DEFINED = 0.95
_SIMULATIONS = 1_000
_CHUNK = 500_000
_TINY = 1e-12

#: One number for a table, an array with one per table for a stack.
Measure = Callable[["ConfidenceTable"], Floats]


@dataclass(frozen=True)
class ConfidenceTable:
    """Attempts by stated confidence, every task with the same weight.

    Attributes:
        levels: The confidences in increasing order, each once; shape ``level``.
        solved: Weight of the solved attempts at each; shape ``level``, or ``stack level``. With `unsolved`, it sums up
            to 1 over the levels.
        unsolved: Weight of the others; same shape.
    """

    levels: Floats
    solved: Floats
    unsolved: Floats

    @property
    def weight(self) -> Floats:
        """Weight of all attempts at each confidence."""
        return self.solved + self.unsolved


@dataclass(frozen=True)
class Bin:
    """Attempts with similar confidences; in means, every task has the same weight."""

    low: float
    high: float
    attempts: int
    confidence: float
    solved_rate: float


@dataclass(frozen=True)
class ToldConfidences:
    """The attempts that state a confidence, counted in cells, so that they can be resampled.

    Attributes:
        grouped: The confidences by task.
        solved: Whether each is solved, in the same order.
    """

    grouped: Grouped
    solved: Floats

    @classmethod
    def of(cls, confidence: Floats, solved: Floats, tasks: Codes) -> ToldConfidences:
        """Group attempts by arbitrary task codes."""
        if len(np.unique(confidence)) > _MOST_LEVELS:
            confidence = np.round(confidence, _DECIMALS)
        return cls(Grouped.of(confidence, tasks), Grouped.of(solved, tasks).values)

    @property
    def attempts(self) -> int:
        """How many there are."""
        return len(self.solved)

    @cached_property
    def levels(self) -> Floats:
        """The confidences in increasing order, each once."""
        return np.unique(self.grouped.values)

    @cached_property
    def cells(self) -> Floats:
        """Attempts of each task at each confidence, unsolved ones, then solved ones; shape ``task 2*level``."""
        cell = np.searchsorted(self.levels, self.grouped.values) + (self.solved > 0) * len(self.levels)
        shape = (self.grouped.count, 2 * len(self.levels))
        numbers = np.bincount(self.grouped.tasks * shape[1] + cell, minlength=shape[0] * shape[1])
        return numbers.reshape(shape).astype(np.float64)

    @property
    def shares(self) -> Floats:
        """The same as shares of the task's attempts."""
        return self.cells / self.grouped.sizes[:, None]

    @property
    def table(self) -> ConfidenceTable:
        """The table of all attempts, not resampled."""
        return self._table(self.shares.mean(0))

    def resampled(self) -> Iterator[ConfidenceTable]:
        """Stacks of tables of resampled tasks or, where tasks are few, of attempts resampled within each task."""
        generator = np.random.default_rng(SEED)
        count, shares = self.grouped.count, self.shares
        left = RESAMPLES
        while left:
            rows = min(left, max(1, _CHUNK // shares.shape[1]))
            if self.grouped.unit == "tasks":
                drawn = generator.multinomial(count, np.full(count, 1 / count), rows) @ (shares / count)
            else:
                drawn = np.zeros((rows, shares.shape[1]))
                for own, size in zip(shares, self.grouped.sizes.tolist(), strict=True):
                    present = np.flatnonzero(own)
                    drawn[:, present] += generator.multinomial(size, own[present], rows) / (size * count)
            yield self._table(drawn)
            left -= rows

    def if_calibrated(self) -> ConfidenceTable:
        """A stack of tables in which attempts are solved as often as their confidence says."""
        generator = np.random.default_rng(SEED)
        unsolved, solved = np.split(self.cells, 2, axis=-1)
        both = (unsolved + solved).astype(np.int64)
        chances = np.clip(self.levels, 0, 1)
        drawn = np.zeros((_SIMULATIONS, len(chances)))
        for numbers, size in zip(both, self.grouped.sizes.tolist(), strict=True):
            present = np.flatnonzero(numbers)
            hits = generator.binomial(numbers[present], chances[present], (_SIMULATIONS, len(present)))
            drawn[:, present] += hits / (size * self.grouped.count)
        return ConfidenceTable(self.levels, drawn, self.table.weight - drawn)

    def _table(self, cells: Floats) -> ConfidenceTable:
        unsolved, solved = np.split(cells, 2, axis=-1)
        return ConfidenceTable(self.levels, solved, unsolved)


def mean_confidence(table: ConfidenceTable) -> Floats:
    """Mean of the confidences."""
    return table.weight @ table.levels


def solved_rate(table: ConfidenceTable) -> Floats:
    """Share of solved attempts."""
    return _total(table.solved)


def brier(table: ConfidenceTable) -> Floats:
    """Mean squared distance of the confidence from 1 where solved and from 0 where not (Brier 1950)."""
    return table.solved @ (1 - table.levels) ** 2 + table.unsolved @ table.levels**2


def brier_skill(table: ConfidenceTable) -> Floats:
    """1 for perfect foresight, 0 for always stating one's own solved rate; NaN where all or none are solved."""
    rate = solved_rate(table)
    return 1 - brier(table) / _or_nan(rate * (1 - rate))


def calibration_error(table: ConfidenceTable) -> Floats:
    """Expected calibration error over `BINS` bins of equal width (Naeini et al. 2015)."""
    return _total(np.abs(_gaps(table)))


def overconfidence(table: ConfidenceTable) -> Floats:
    """The part of `calibration_error` from bins that were solved less often than stated."""
    return _total(np.maximum(_gaps(table), 0))


def underconfidence(table: ConfidenceTable) -> Floats:
    """The part of `calibration_error` from bins that were solved more often than stated."""
    return _total(np.maximum(-_gaps(table), 0))


def confidence_minus_solved(table: ConfidenceTable) -> Floats:
    """Mean confidence minus solved rate: overconfidence minus underconfidence."""
    return mean_confidence(table) - solved_rate(table)


def risk_coverage(table: ConfidenceTable) -> Floats:
    """1 - E-AURC / E-AURC_max: 1 if all solved attempts come first, 0 for a random order; NaN if all or none are.

    AURC is the area under the risk-coverage curve: the share of failures among the most confident attempts, over all
    shares of attempts. Attempts with equal confidence are taken in parts, as if in a random order.
    """
    weight, failed = table.weight[..., ::-1], table.unsolved[..., ::-1]
    covered, failures = weight.cumsum(-1), failed.cumsum(-1)
    before, failed_before = covered - weight, failures - failed
    # within a level, the failures E grow evenly with the coverage c: the area under E / c has a closed form
    risk = failed / np.maximum(weight, _TINY)
    later = (before > _TINY) & (weight > _TINY)
    widths = np.where(later, np.log(np.maximum(covered, _TINY) / np.maximum(before, _TINY)), 0)
    area = _total(risk * weight + (failed_before - risk * before) * widths)
    # a random order has 1 - rate; one with all solved attempts first has rate * ln(rate) more
    rate = solved_rate(table)
    return (1 - rate - area) / _or_nan(-rate * np.log(np.maximum(rate, _TINY)))


#: Everything that has an interval.
MEASURES: Mapping[str, Measure] = {
    measure.__name__: measure
    for measure in (
        brier,
        brier_skill,
        calibration_error,
        confidence_minus_solved,
        overconfidence,
        underconfidence,
        risk_coverage,
    )
}


def intervals(told: ToldConfidences) -> dict[str, Interval | None]:
    """95 % interval of each of `MEASURES` by the cluster bootstrap; None where there is none."""
    tail = expanded_tail(told.grouped) if told.attempts else None
    if tail is None:
        return dict.fromkeys(MEASURES)
    drawn: dict[str, list[Floats]] = {name: [] for name in MEASURES}
    for table in told.resampled():
        for name, measure in MEASURES.items():
            drawn[name].append(measure(table))
    return {name: _interval(np.concatenate(values), tail) for name, values in drawn.items()}


def bins(told: ToldConfidences) -> list[Bin]:
    """The bins that have attempts."""
    table, members = told.table, _members(told.levels)
    numbers = np.split(told.cells.sum(0), 2)
    weight, said, solved = table.weight @ members, (table.weight * table.levels) @ members, table.solved @ members
    return [
        Bin(
            low=place / BINS,
            high=(place + 1) / BINS,
            attempts=round(float((numbers[0] + numbers[1]) @ members[:, place])),
            confidence=float(said[place] / weight[place]),
            solved_rate=float(solved[place] / weight[place]),
        )
        for place in np.flatnonzero(weight > 0).tolist()
    ]


def risk_at(table: ConfidenceTable, coverages: Floats) -> tuple[Floats, Floats]:
    """The risk-coverage curve: the share of failures among the most confident attempts, and the smallest possible one.

    Args:
        table: One table, not a stack.
        coverages: Shares of the attempts, above 0.
    """
    covered = np.concatenate([[0.0], table.weight[::-1].cumsum()])
    failures = np.concatenate([[0.0], table.unsolved[::-1].cumsum()])
    least = np.maximum(0, coverages - float(solved_rate(table)))
    return np.interp(coverages, covered, failures) / coverages, least / coverages


def _members(levels: Floats) -> Floats:
    """1 where a level is in a bin, else 0; shape ``level bin``."""
    # rounded, because 0.3 is not three times 0.1 in floating point
    place = np.clip(np.floor(np.round(levels * BINS, 9)), 0, BINS - 1).astype(np.int64)
    return np.eye(BINS)[place]


def _gaps(table: ConfidenceTable) -> Floats:
    """Weight of each bin times how far its mean confidence is above its solved rate; shape ``stack bin``."""
    return (table.weight * table.levels - table.solved) @ _members(table.levels)


def _total(values: Floats) -> Floats:
    total: Floats = values.sum(-1)
    return total


def _or_nan(values: Floats) -> Floats:
    return np.where(values < _TINY, np.nan, values)


def _interval(values: Floats, tail: float) -> Interval | None:
    known = values[~np.isnan(values)]
    if len(known) < _DEFINED * len(values):
        return None
    low, high = np.quantile(known, [tail, 1 - tail])
    return float(low), float(high)
