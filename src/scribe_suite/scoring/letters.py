"""Scores for answers that name one neuron per letter, or none.

The primary metric is accuracy over the given letters, where "none" can be right or wrong. Precision is over the named
neurons, recall over the letters that have one.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from scribe_suite.scoring.normalise import normalised_skill
from scribe_suite.tasks.task import Score

LETTER_METRICS = ("success", "accuracy", "f1", "precision", "recall")


def score_letters(
    submitted: Mapping[str, str], truth: Mapping[str, Collection[str]], reference_accuracy: float
) -> Score:
    """Score a mapping from letters to neurons.

    Args:
        submitted: Letter -> neuron; a missing letter counts as having none.
        truth: Every given letter -> its neurons, any of which is right; empty where there is none.
        reference_accuracy: Accuracy of the reference solution.

    Returns:
        Chance is the accuracy of "none" for every letter: a guessed neuron is right once in hundreds of cases.

    Raises:
        ValueError: When no letter is given, none has a neuron, or the submission contains another letter.
    """
    unknown = sorted(set(submitted) - set(truth))
    if unknown:
        raise ValueError(f"the letters {', '.join(unknown)} were not asked for")
    present = [letter for letter, neurons in truth.items() if neurons]
    if not present:
        raise ValueError("letter metrics need a letter that has a neuron")
    hits = sum(submitted[letter] in truth[letter] for letter in submitted)
    rightly_none = sum(letter not in submitted for letter in truth if letter not in present)
    precision = hits / len(submitted) if submitted else 0.0
    recall = hits / len(present)
    accuracy = (hits + rightly_none) / len(truth)
    chance = (len(truth) - len(present)) / len(truth)
    skill = normalised_skill(accuracy, chance, reference_accuracy)
    return Score(
        metrics={
            "success": float(accuracy == 1),
            "accuracy": accuracy,
            "f1": 2 * hits / (len(submitted) + len(present)),
            "precision": precision,
            "recall": recall,
        },
        primary="accuracy",
        skill=skill,
        chance=chance,
        reference=reference_accuracy,
    )
