"""Scores for answers that are sets: circuit components, with or without roles, and neurons.

The primary metric is F1, which rewards neither extreme: "everything" has recall 1 and low precision, one lucky element
the reverse. IoU, precision and recall are further metrics, as in the original suite's tables.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Literal

import numpy as np

from scribe_suite.scoring.normalise import normalised_skill
from scribe_suite.tasks.task import Score

Role = Literal["supports", "suppresses"]
_SIGNS: Mapping[Role, str] = {"supports": "+", "suppresses": "-"}

COMPONENT_METRICS = ("iou", "precision", "recall", "f1")
ROLE_METRICS = ("signed_f1", *COMPONENT_METRICS)
NEURON_METRICS = ("success", "f1", "precision", "recall")


def set_metrics(submitted: Collection[str], truth: Collection[str]) -> dict[str, float]:
    """IoU, precision, recall and F1 of a submitted set against the true one.

    An empty submission has precision 0, so that all its metrics are 0.

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
    """Only the F1, for searches over many candidate answers."""
    return 2 * len(submitted & truth) / (len(submitted) + len(truth))


def best_fixed_set(keys: Sequence[frozenset[str]], part: Callable[[str], str] = str) -> frozenset[str]:
    """The fixed answer with the highest mean F1 over the keys of many instances.

    It could be submitted without looking by someone who knows how often each element is in a key. For an answer of size
    s, the mean F1 is a sum over its elements of 2 / (s + |K|), averaged over the keys K that contain the element. So
    the best answer of that size has the s elements that add most, and the best over all sizes is the best answer.

    Args:
        keys: Answer keys of many instances of one task.
        part: The part of a model that an element is about; an answer may have only one element for each.

    Raises:
        ValueError: Without keys, or when all are empty.
    """
    elements = sorted(frozenset().union(*keys))
    if not elements:
        raise ValueError("the best fixed set needs keys that are not empty")
    rows = np.array([[element in key for element in elements] for key in keys], dtype=float)
    sizes = rows.sum(1)
    best: tuple[float, frozenset[str]] = (-1.0, frozenset())
    for size in range(1, len({part(element) for element in elements}) + 1):
        added = (2 * rows / (size + sizes)[:, None]).mean(0)
        chosen: dict[str, int] = {}
        for at in np.argsort(-added, kind="stable"):
            chosen.setdefault(part(elements[at]), int(at))
        taken = list(chosen.values())[:size]
        best = max(best, (float(added[taken].sum()), frozenset(elements[at] for at in taken)), key=lambda one: one[0])
    return best[1]


def score_components(
    submitted: Collection[str],
    truth: Collection[str],
    chance: float,
    reference_f1: float,
) -> Score:
    """Score a set of heads and MLPs.

    Args:
        submitted: Component names of the answer.
        truth: The certified circuit.
        chance: Expected F1 of the best answer that ignores the model (`normalise.expected_score`).
        reference_f1: F1 of the reference solution.
    """
    return _scored(set_metrics(submitted, truth), "f1", chance, reference_f1)


def signed(roles: Mapping[str, Role]) -> frozenset[str]:
    """Roles as a set of strings: ``a0.h1+`` supports, ``m2-`` suppresses."""
    return frozenset(f"{node}{_SIGNS[role]}" for node, role in roles.items())


def unsigned(element: str) -> str:
    """The node of an element of `signed`."""
    return element[:-1]


def score_roles(
    submitted: Mapping[str, Role],
    truth: Mapping[str, Role],
    chance: float,
    reference_signed_f1: float,
) -> Score:
    """Score heads and MLPs with their roles.

    Primary is ``signed_f1``, over pairs of node and role: a node with the wrong role is one wrong element and one
    missing one. The other metrics consider only nodes.

    Args:
        submitted: Node -> submitted role.
        truth: Node -> role in the certified circuit.
        chance: Expected signed F1 of the best answer that ignores the model.
        reference_signed_f1: Signed F1 of the reference solution.
    """
    metrics = {**set_metrics(submitted, truth), "signed_f1": f1(signed(submitted), signed(truth))}
    return _scored(metrics, "signed_f1", chance, reference_signed_f1)


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
    return _scored(metrics, "f1", f1(frozenset(blind), frozenset(truth)), reference_f1)


def _scored(metrics: dict[str, float], primary: str, chance: float, reference: float) -> Score:
    return Score(
        metrics=metrics,
        primary=primary,
        skill=normalised_skill(metrics[primary], chance, reference),
        chance=chance,
        reference=reference,
    )
