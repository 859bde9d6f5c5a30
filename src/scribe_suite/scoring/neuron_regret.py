"""Scores for neurons of a real model: how much of a property the submitted ones have, of what the best ones have.

In a real model no neurons are planted and no bar separates them from the rest, so there is no set to hit. What can
be measured is the statistic of every neuron on text that the agent does not see. The score is the mean statistic of the
neurons submitted, place by place; what is missing to the best is the regret. Zero is what the best neurons of an
untrained model reach: of so many neurons some always look good.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np
from jaxtyping import Float

from scribe_suite.scoring.normalise import normalised_skill
from scribe_suite.tasks.task import Score

REGRET_METRICS = ("rve", "regret", "overlap", "untrained")
PRIMARY = "rve"


@dataclass(frozen=True)
class Places:
    """What can be submitted for one property, and what was.

    Attributes:
        given: Hidden statistic of every neuron submitted, at most `places` of them.
        hits: How many of them are among the best `places` neurons on the hidden text.
        places: How many neurons were asked for.
        best: Mean statistic of the best `places` neurons on the hidden text.
        reference: What an honest choice reaches (`crossed_top_mean`), at most about `best`.
        untrained: Mean statistic of the best `places` neurons of an untrained model on the same text.
    """

    given: Sequence[float]
    hits: int
    places: int
    best: float
    reference: float
    untrained: float

    def __post_init__(self) -> None:
        if len(self.given) > self.places:
            raise ValueError(f"{len(self.given)} neurons for {self.places} places")

    @property
    def mean(self) -> float:
        """Mean over the places; one that was left empty explains nothing."""
        return math.fsum(self.given) / self.places


def top(statistic: Float[np.ndarray, " neuron"], places: int) -> list[int]:
    """The neurons with the highest statistic, the highest first; of equal ones the first in the model."""
    return [int(neuron) for neuron in np.argsort(-statistic, kind="stable")[:places]]


def top_mean(statistic: Float[np.ndarray, " neuron"], places: int) -> float:
    """Mean statistic of the highest neurons."""
    return float(statistic[top(statistic, places)].mean())


def crossed_top_mean(first: Float[np.ndarray, " neuron"], second: Float[np.ndarray, " neuron"], places: int) -> float:
    """What the best neurons of one half of the text have on the other, mean of both ways.

    The mean of the best on the text that chose them flatters them (the winner's curse); somebody who chooses well on
    other text can't reach it.
    """
    return fmean((float(second[top(first, places)].mean()), float(first[top(second, places)].mean())))


def score_places(asked: Sequence[Places]) -> Score:
    """Score neurons for one property, or one each for several.

    Args:
        asked: The properties; all count the same.

    Returns:
        ``rve`` is primary: the mean hidden statistic over all places. ``regret`` is what is missing to the best neurons
        on the hidden text, ``overlap`` the share of the places taken by one of them.

    Raises:
        ValueError: When nothing is asked, or untrained models are as good as the reference.
    """
    if not asked:
        raise ValueError("there is no property to score neurons for")
    reached, untrained = fmean(one.mean for one in asked), fmean(one.untrained for one in asked)
    reference = fmean(one.reference for one in asked)
    return Score(
        metrics={
            "rve": reached,
            "regret": fmean(one.best for one in asked) - reached,
            "overlap": fmean(one.hits / one.places for one in asked),
            "untrained": untrained,
        },
        primary=PRIMARY,
        skill=normalised_skill(reached, untrained, reference),
        chance=untrained,
        reference=reference,
    )
