"""Intervals for a report's plots and tables: how far a mean may be from what more attempts would show."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean, stdev

import numpy as np
from scipy import stats

from scribe_suite.results.records import AttemptRecord

LEVEL = 0.95
RESAMPLES = 2_000
Interval = tuple[float, float]


def mean_interval(values: Sequence[float]) -> Interval | None:
    """95 % interval of a mean by Student's t; None for fewer than two values."""
    if len(values) < 2:
        return None
    half = float(stats.t.ppf((1 + LEVEL) / 2, len(values) - 1)) * stdev(values) / math.sqrt(len(values))
    return fmean(values) - half, fmean(values) + half


def clustered_interval(groups: Sequence[Sequence[float]]) -> Interval | None:
    """95 % bootstrap interval of the mean over groups' means, by drawing groups; None for fewer than two.

    Attempts at one task resemble each other, so tasks are drawn, not attempts.
    """
    means = np.array([fmean(group) for group in groups if group])
    if len(means) < 2:
        return None
    generator = np.random.default_rng(0)  # the same report every time
    drawn = means[generator.integers(len(means), size=(RESAMPLES, len(means)))].mean(axis=1)
    low, high = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def skill_interval(records: Sequence[AttemptRecord], skills: Sequence[float]) -> Interval | None:
    """Interval of the mean skill at one task, limited to where skills lie.

    With two or more attempts it is of their mean. A single one has the scorer's interval of the primary metric, where
    the scorer samples, turned into skill.
    """
    interval = scored_interval(records[0]) if len(records) == len(skills) == 1 else mean_interval(skills)
    return None if interval is None else (_limited(interval[0]), _limited(interval[1]))


def scored_interval(record: AttemptRecord) -> Interval | None:
    """The scorer's interval of the primary metric as skill, or None when it gave none."""
    if record.interval is None or record.chance is None or record.reference is None:
        return None
    scale = record.reference - record.chance
    if scale <= 0:
        return None
    low, high = record.interval
    return _limited((low - record.chance) / scale), _limited((high - record.chance) / scale)


def _limited(skill: float) -> float:
    return min(1.0, max(-1.0, skill))
