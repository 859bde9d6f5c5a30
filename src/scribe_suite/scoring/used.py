"""Scores for probabilities that properties are used.

Primary is ``score``, 1 - the mean squared error of the probabilities (Brier 1950). Over all instances no property is
more probable to be used than any other, so chance is the expected score of the base rate for every property. Skill is
therefore a proper score: no fixed answer has more than 0 on average, and the truth has 1 in every instance.
"""

from __future__ import annotations

from collections.abc import Mapping
from statistics import fmean

from scribe_suite.planting.variables.used.plans import BASE_RATE
from scribe_suite.scoring.normalise import normalised_skill
from scribe_suite.tasks.task import Score

#: The metrics of every score, in the tables' column order; the first is primary.
USED_METRICS = ("score", "error_used", "error_unused")
#: The expected score of the best fixed answer: the base rate for every property.
CHANCE = 1 - BASE_RATE * (1 - BASE_RATE)
#: The probability that counts for properties of an answer without content.
_UNSAID = 0.5


def score_used(said: Mapping[str, float], truth: Mapping[str, bool]) -> Score:
    """Score probabilities.

    Args:
        said: Property -> probability; empty for an answer without content.
        truth: Property -> whether it is used.

    Returns:
        A score with `USED_METRICS`: ``error_used`` and ``error_unused`` are the mean squared errors over the properties
        that are used and over all others, 0 where there are none.
    """
    errors = {name: (said.get(name, _UNSAID) - used) ** 2 for name, used in truth.items()}
    score = 1 - fmean(errors.values())

    def error_of(kind: bool) -> float:
        found = [errors[name] for name, used in truth.items() if used == kind]
        return fmean(found) if found else 0.0

    return Score(
        metrics={"score": score, "error_used": error_of(True), "error_unused": error_of(False)},
        primary="score",
        skill=normalised_skill(score, CHANCE, 1.0),
        chance=CHANCE,
        reference=1.0,
    )
