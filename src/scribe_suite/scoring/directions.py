"""Scores for directions found without labels, recomputed by the evaluator from the model and hidden statements.

An unlabelled direction has no sign: an accuracy of 0.0 is a perfect separation. It is therefore judged by max(a, 1 -
a), which is at least one half for every direction; the value of a random direction on the same statements, at the place
that the answer reads, is part of the floor of the skill. An instance's basis is drawn at random, so any direction
submitted without looking is a random one: its mean skill is 0 at the luckiest place, and lower elsewhere.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float
from sklearn.metrics import roc_auc_score
from transformer_lens import HookedTransformer

from scribe_suite.scoring.probes import (
    COIN,
    LabelledStatements,
    LinearProbe,
    Reading,
    project,
    residual_at,
    score_reading,
)
from scribe_suite.tasks.answer_kinds import DirectionAnswer
from scribe_suite.tasks.task import Score

#: How many directions give the mean accuracy of a random one. It is skewed (a standard deviation of 0.1 at the luckiest
#: place): with 200 directions the mean was off by 0.007, which is 0.02 in skill.
_RANDOM_DIRECTIONS = 2_000


def separated(
    direction: Float[np.ndarray, " d_model"],
    hidden: Float[np.ndarray, "statement d_model"],
    labels: Bool[np.ndarray, " statement"],
) -> tuple[Bool[np.ndarray, " statement"], Float[np.ndarray, " statement"]]:
    """Which statements a direction puts on the side of their label, and its projections.

    Args:
        direction: A vector of any length; zeros put all statements on one side.
        hidden: Activations; their mean is the threshold.
        labels: The truth of the statements.

    Returns:
        Whether each is right, with the better of the two signs, and projections with that sign.
    """
    projections, threshold = project(LinearProbe(direction, 0.0, hidden.mean(0)), hidden)
    right: Bool[np.ndarray, " statement"] = (projections > threshold) == labels
    share = float(right.mean())
    # if neither sign is right more often, the one that orders the statements better is used
    flipped = share < COIN or (share == COIN and roc_auc_score(labels, projections) < COIN)
    return (~right, -projections) if flipped else (right, projections)


def direction_accuracy(
    direction: Float[np.ndarray, " d_model"],
    hidden: Float[np.ndarray, "statement d_model"],
    labels: Bool[np.ndarray, " statement"],
) -> float:
    """max(a, 1 - a), a being the share of statements on the side of their label."""
    return float(separated(direction, hidden, labels)[0].mean())


def random_direction_accuracy(
    hidden: Float[np.ndarray, "statement d_model"], labels: Bool[np.ndarray, " statement"]
) -> float:
    """The mean `direction_accuracy` of directions drawn at random (uniform, 2,000 of them, always the same).

    Args:
        hidden: Activations.
        labels: The truth of the statements.
    """
    drawn = np.random.default_rng(0).normal(size=(_RANDOM_DIRECTIONS, hidden.shape[1]))
    right = (((hidden - hidden.mean(0)) @ drawn.T > 0) == labels[:, None]).mean(0)
    return float(np.maximum(right, 1 - right).mean())


def score_direction(
    answer: DirectionAnswer,
    model: HookedTransformer,
    statements: LabelledStatements,
    control_accuracy: float,
    reference_accuracy: float,
    random_accuracy: float,
) -> Score:
    """Score a submitted direction on hidden statements.

    Args:
        answer: The validated answer; an empty direction separates nothing.
        model: The model of the instance.
        statements: Balanced hidden statements about entities that occur in no public file.
        control_accuracy: Accuracy of the reference recipe on an untrained twin, on the same split.
        reference_accuracy: Accuracy of the reference recipe on the model, on the same split.
        random_accuracy: Mean accuracy of random directions on the same statements.

    Returns:
        Accuracy is primary, AUROC has the sign that accuracy has; chance is the best of a coin, the control and a
        random direction.
    """
    hidden = residual_at(model, statements.tokens, answer.layer, answer.position)
    direction = np.asarray(answer.direction, dtype=np.float64) if answer.direction else np.zeros(hidden.shape[1])
    read = Reading.of_sides(*separated(direction, hidden, statements.labels), statements.labels, statements.groups)
    return score_reading(
        read,
        control_accuracy=control_accuracy,
        chance=max(COIN, control_accuracy, random_accuracy),
        reference=reference_accuracy,
    )
