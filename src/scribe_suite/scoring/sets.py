"""Scores for answers that are sets: circuit components and neurons.

Primary metric is F1, because it has no free lunch on either side: everything has recall 1 and low precision, one lucky
element the reverse. IoU, precision and recall stand beside it as in the original suite's tables.
"""

from __future__ import annotations

from collections.abc import Collection

from scribe_suite.scoring.normalise import normalised_skill
from scribe_suite.tasks.task import Score

COMPONENT_METRICS = ("iou", "precision", "recall", "f1")
NEURON_METRICS = ("success", "f1", "precision", "recall")


def set_metrics(submitted: Collection[str], truth: Collection[str]) -> dict[str, float]:
    """IoU, precision, recall and F1 of a submitted set against the true one.

    An empty submission has precision 0 (nothing it says is right), so that every metric of it is 0.

    Raises:
        ValueError: When the true set is empty: these metrics are undefined there.
    """
    chosen, right = frozenset(submitted), frozenset(truth)
    if not right:
        raise ValueError("set metrics need a non-empty truth")
    hits = len(chosen & right)
    return {
        "iou": hits / len(chosen | right),
        "precision": hits / len(chosen) if chosen else 0.0,
        "recall": hits / len(right),
        "f1": 2 * hits / (len(chosen) + len(right)),
    }


def f1(submitted: frozenset[str], truth: frozenset[str]) -> float:
    """F1 alone, for searches over many candidate answers."""
    return 2 * len(submitted & truth) / (len(submitted) + len(truth))


def score_components(
    submitted: Collection[str], truth: Collection[str], blind: Collection[str], reference_f1: float
) -> Score:
    """Score a set of heads and MLPs.

    Args:
        submitted: Component names of the answer.
        truth: The certified circuit.
        blind: The best answer that ignores the model (`normalise.best_blind_answer`); its F1 here is chance.
        reference_f1: F1 of the reference solution on this instance.
    """
    metrics = set_metrics(submitted, truth)
    return _scored(metrics, truth, blind, reference_f1)


def score_neurons(
    submitted: Collection[str],
    truth: Collection[str],
    blind: Collection[str],
    reference_f1: float,
    success_f1: float = 1.0,
) -> Score:
    """Score a set of neurons; ``success`` is the original suite's binary metric.

    Args:
        submitted: Neuron names of the answer.
        truth: The planted neurons.
        blind: The best answer that ignores the model; its F1 here is chance.
        reference_f1: F1 of the reference solution on this instance.
        success_f1: The F1 from which the answer is a success.
    """
    metrics = set_metrics(submitted, truth)
    metrics["success"] = float(metrics["f1"] >= success_f1)
    del metrics["iou"]
    return _scored(metrics, truth, blind, reference_f1)


def _scored(metrics: dict[str, float], truth: Collection[str], blind: Collection[str], reference_f1: float) -> Score:
    chance = f1(frozenset(blind), frozenset(truth))
    return Score(
        metrics=metrics,
        primary="f1",
        skill=normalised_skill(metrics["f1"], chance, reference_f1),
        chance=chance,
        reference=reference_f1,
    )
