"""Scores for neurons of a real model: the statistic of the submitted ones as a share of that of the best ones.

In a real model no neurons are planted and no threshold separates them from the rest, so there is no set to hit. What
can be measured is the statistic of every neuron on text that the agent does not see. The score is the mean statistic of
the submitted neurons, place by place, as a share of that of the best ones: the best neurons of different properties
differ fourfold, so plain means would compare properties, not answers. Zero is the value of the best neurons of an
untrained model, because among so many neurons some always look good. Where the same few neurons respond to most
properties, zero is higher, by what they reach on average (`fixed_share`): naming them needs no look at the question.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np
from jaxtyping import Float
from scipy.optimize import brentq

from scribe_suite.scoring.normalise import SMALLEST_RANGE, normalised_skill
from scribe_suite.tasks.task import Score

SHARE_METRICS = ("rve_share", "untrained_share")
PRIMARY = "rve_share"
#: Smallest distance between chance and reference; a little more than skill needs, to allow for rounding.
_LEAST_ROOM = 1.01 * SMALLEST_RANGE
_TRIFLE = 1e-9


@dataclass(frozen=True)
class Places:
    """The possible and the actual submission for one property.

    Attributes:
        given: Hidden statistic of every submitted neuron, at most `places` of them.
        places: How many neurons were asked for.
        best: Mean statistic of the best `places` neurons on the hidden text.
        reference: The value of an honest choice (`crossed_top_mean`), at most about `best`.
        untrained: Mean statistic of the best `places` neurons of an untrained model on the same text.
    """

    given: Sequence[float]
    places: int
    best: float
    reference: float
    untrained: float

    def __post_init__(self) -> None:
        if len(self.given) > self.places:
            raise ValueError(f"{len(self.given)} neurons for {self.places} places")

    @property
    def mean(self) -> float:
        """Mean over the places; an empty one counts as 0."""
        return math.fsum(self.given) / self.places


def top(statistic: Float[np.ndarray, " neuron"], places: int) -> list[int]:
    """The neurons with the highest statistic, in decreasing order; ties in the model's order."""
    return [int(neuron) for neuron in np.argsort(-statistic, kind="stable")[:places]]


def top_mean(statistic: Float[np.ndarray, " neuron"], places: int) -> float:
    """Mean statistic of the highest neurons."""
    return float(statistic[top(statistic, places)].mean())


def crossed_top_mean(first: Float[np.ndarray, " neuron"], second: Float[np.ndarray, " neuron"], places: int) -> float:
    """The statistic of the best neurons of one half of the text on the other half, mean of both directions.

    The mean of the best neurons on the text that selected them is biased upwards (the winner's curse); a good choice on
    other text can't reach it.
    """
    return fmean((float(second[top(first, places)].mean()), float(first[top(second, places)].mean())))


def fixed_share(
    statistic: Float[np.ndarray, "property neuron"],
    untrained: Float[np.ndarray, "property number"],
    reference: Float[np.ndarray, "property number"],
    places: Sequence[int],
) -> float:
    """The position of the best fixed answer between the untrained models (0) and the reference (1), on average.

    A fixed answer has the same neurons for every property: those that add most on average over the properties, or the
    best ones of one property. (Exchanging single neurons from there finds nothing better.)

    Args:
        statistic: Hidden statistic of every neuron for every property that can be asked for.
        untrained: Zero for a property and a number of places, without this correction.
        reference: The value of an honest choice, in the same form.
        places: The numbers of places, all equally probable.

    Returns:
        The share at which the best such answer has a mean skill of 0, limits of the skill included; 0 where it gets no
        farther than the untrained models, 1 where it is right for every property.
    """
    ways = reference - untrained
    reached = []
    for column, count in enumerate(places):
        way = ways[:, column, None]
        added = (statistic / way).mean(0)
        answers = np.array([top(row, count) for row in (added, *statistic)])
        reached.append((statistic[:, answers].mean(-1) - untrained[:, column, None]) / way)

    def mean_skill(share: float) -> float:
        """Mean skill of the best answer for each number of places, minus a small number, since it may stay at 0."""
        return fmean(float(np.clip((one - share) / (1 - share), -1, 1).mean(0).max()) for one in reached) - _TRIFLE

    if mean_skill(0.0) <= 0:
        return 0.0
    most = 1 - _TRIFLE
    return 1.0 if mean_skill(most) > 0 else float(brentq(mean_skill, 0.0, most))


def score_places(asked: Sequence[Places], fixed: float = 0.0) -> Score:
    """Score neurons for one property, or one each for several.

    Args:
        asked: The properties, with equal weights.
        fixed: See `fixed_share`.

    Returns:
        ``rve_share`` is primary: the mean hidden statistic over all places, as a share of what the best neurons have on
        the hidden text; ``untrained_share`` is the same of the untrained models. Chance is `fixed` of the way from
        the untrained models to the reference, as far as that leaves room for a skill.

    Raises:
        ValueError: When no property is given, the best neurons have a statistic of 0, or untrained models are as good
            as the reference.
    """
    if not asked:
        raise ValueError("there is no property to score neurons for")
    best = fmean(one.best for one in asked)
    if best <= 0:
        raise ValueError(f"the best neurons have a statistic of {best:g}, of which there is no share")
    rve = fmean(one.mean for one in asked)
    reached, untrained = rve / best, fmean(one.untrained for one in asked) / best
    reference = fmean(one.reference for one in asked) / best
    way = reference - untrained
    chance = untrained + max(0.0, min(fixed * way, way - _LEAST_ROOM))
    return Score(
        metrics={"rve_share": reached, "untrained_share": untrained},
        primary=PRIMARY,
        skill=normalised_skill(reached, chance, reference),
        chance=chance,
        reference=reference,
        notes=(f"The neurons have a mean statistic of {rve:.3f}, the best ones {best:.3f}.",),
    )
