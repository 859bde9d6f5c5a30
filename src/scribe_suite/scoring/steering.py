"""Scores for a vector that is added to a model's activations, or for the finding that none does what is asked.

Primary is ``effect``: by how much the mean probability of the wanted labels rises on hidden prompts, at the best scale
that leaves hidden neutral prompts as they are (`scribe_suite.planting.steering.added`). Random vectors have an effect
of less than 0.05 on average (certificates), and the planted direction one of about 1.
"""

from __future__ import annotations

from dataclasses import replace

from scribe_suite.planting.steering.added import NO_EFFECT, Effect
from scribe_suite.scoring.normalise import normalised_skill
from scribe_suite.scoring.real_probes import MISSED, OVERCLAIM, PayOffs
from scribe_suite.tasks.task import Score

#: The metrics of every score, in the tables' column order; the first is primary.
SHIFT_METRICS = ("effect", "divergence", "against", "least")
#: The effect of no vector.
CHANCE = 0.0
#: The values that prompts, scores and solutions use.
PAY_OFFS = PayOffs(null_share=1 / 3, found=1.0, missed=-0.5, overclaim=-1.0, nothing=1.0)


def score_shift(effect: Effect, reference: float) -> Score:
    """Score a vector for a model in which one has an effect.

    Args:
        effect: What it does.
        reference: The effect of the planted direction, on the same prompts.
    """
    return _score(effect, normalised_skill(effect.effect, CHANCE, reference), reference)


def score_missed(reference: float) -> Score:
    """The score of nothing found in a model in which a vector has an effect."""
    return _score(NO_EFFECT, PAY_OFFS.missed, reference, MISSED)


def score_null(*, nothing_found: bool) -> Score:
    """The score of an answer about a model in which no vector has an effect."""
    right = replace(NO_EFFECT, effect=float(nothing_found))
    if nothing_found:
        return _score(right, PAY_OFFS.nothing, 1.0)
    return _score(right, PAY_OFFS.overclaim, 1.0, OVERCLAIM)


def _score(effect: Effect, skill: float, reference: float, *flags: str) -> Score:
    return Score(
        metrics={name: getattr(effect, name) for name in SHIFT_METRICS},
        primary="effect",
        skill=skill,
        chance=CHANCE,
        reference=reference,
        flags=flags,
    )
