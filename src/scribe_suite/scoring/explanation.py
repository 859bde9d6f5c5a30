"""Scores for answers that predict a neuron's activations, token by token.

Primary is ``score``, the weighted correlation of predicted and true activations over the positions of hidden texts,
averaged over neurons. Positions belong to three strata with a third of the weight each: where the neuron fires, where
it nearly does, and elsewhere. A constant has a correlation of 0. Predictions for a text without
valid predictions count as 0.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import NDArray

from scribe_suite.planting.neurons.correlation import weighted_correlation
from scribe_suite.scoring.behaviour import LONGEST_PROBLEM
from scribe_suite.scoring.call_by_call import calling_each
from scribe_suite.scoring.normalise import normalised_skill
from scribe_suite.scoring.submitted_function import FunctionLimits, FunctionResult, Labels, run_submitted_function
from scribe_suite.tasks.task import Score
from scribe_suite.text import shortened

#: The metrics of every score, in the tables' column order; the first is primary.
EXPLANATION_METRICS = ("score", "near", "elsewhere", "within")
#: The limits of a submitted function for all texts and neurons.
LIMITS = FunctionLimits(time_s=60.0, output_bytes=32 << 20)
#: Numbers of the strata.
FIRES, NEAR, ELSEWHERE = range(3)

#: If the code raises for this many texts and no other, it is broken; with one text, the text may be the reason.
_TELLING = 20
#: The sandbox returns integers, so floats are passed as their bit patterns. They are rounded to 24 bits of the largest
#: one of a text before that: a sum over a set of strings has another order, and last bit, in every process, and code
#: whose two runs differ counts as unstable.
_CALL = """
def _call(row, predict=predict, neurons={neurons!r}, strings={strings!r}):
    import math
    import struct

    def number(value):
        # numbers that are not finite can't enter a correlation; -0.0 would be the one number too many
        value = float(value) + 0.0
        if value - value != 0.0:
            raise ValueError("an activation must be a finite number, got %r" % value)
        return value

    def rounded(values):
        step = 2.0 ** (math.frexp(max(map(abs, values), default=0.0))[1] - 24)
        return [round(value / step) * step if step else value for value in values]

    tokens = row[1:] if strings is None else [strings[token] for token in row[1:]]
    length = len(tokens)
    given = predict(tokens) if len(neurons) == 1 else predict(tokens, neurons[row[0]])
    given = [number(value) for value in given]
    if len(given) != length:
        raise ValueError("%d activations for %d tokens" % (len(given), length))
    return [struct.unpack("<q", struct.pack("<d", value))[0] for value in rounded(given)]
"""


@dataclass(frozen=True)
class Truth:
    """The truth about one neuron on the hidden texts.

    Attributes:
        activations: The true activations, texts concatenated.
        weights: The weight of each position; they sum to 1, and are 0 for positions that don't count.
        stratum: `FIRES`, `NEAR` or `ELSEWHERE`; -1 for positions that don't count.
        chance: The score of the best theory without combinations.
        ceiling: The score of the best theory.
    """

    activations: Float[np.ndarray, " position"]
    weights: Float[np.ndarray, " position"]
    stratum: Int[np.ndarray, " position"]
    chance: float
    ceiling: float

    def metrics(self, predicted: Float[np.ndarray, " position"]) -> Mapping[str, float]:
        """`EXPLANATION_METRICS` of predictions.

        ``near`` is the correlation over the positions where the neuron fires and those where it nearly does, with equal
        weight, ``elsewhere`` that over the former and all others, ``within`` that over positions where it fires.
        """
        return {
            "score": weighted_correlation(predicted, self.activations, self.weights),
            "near": self._over(predicted, (FIRES, NEAR)),
            "elsewhere": self._over(predicted, (FIRES, ELSEWHERE)),
            "within": self._over(predicted, (FIRES,)),
        }

    def _over(self, predicted: NDArray[np.float64], strata: Sequence[int]) -> float:
        weights = np.zeros(len(self.weights))
        for one in strata:
            here = self.stratum == one
            weights[here] = self.weights[here] / max(float(self.weights[here].sum()), 1e-300)
        if not weights.any():
            return 0.0
        return weighted_correlation(predicted, self.activations, weights)


def predicted_activations(
    code: str, texts: Sequence[Sequence[int]], neurons: Sequence[str], strings: Sequence[str] | None = None
) -> FunctionResult:
    """The predictions of submitted code: all texts for the first neuron, then for the next; see `activations_of`.

    Args:
        code: Python source that defines ``predict(tokens)``, or ``predict(tokens, neuron)`` for several neurons.
        texts: Token ids.
        neurons: Names of the neurons.
        strings: Token id -> string, where the function is called with strings instead of ids.

    Raises:
        InfrastructureError: With cause ``sandbox`` if there is none.
    """
    rows = [(number, *text) for number in range(len(neurons)) for text in texts]
    used = None if strings is None else {token: strings[token] for token in sorted(set().union(*texts))}
    behind = calling_each(_CALL.format(neurons=list(neurons), strings=used), _TELLING)
    return run_submitted_function(code + behind, rows, [len(row) - 1 for row in rows], LIMITS)


def activations_of(
    predictions: Sequence[Labels | None] | None, lengths: Sequence[int], neurons: int
) -> Float[np.ndarray, "neuron position"]:
    """The numbers that `predicted_activations` returns as bit patterns; 0 where there are none.

    Args:
        predictions: A row for each neuron and text.
        lengths: The lengths of the texts, in tokens.
        neurons: Number of neurons.
    """
    rows = [None] * (neurons * len(lengths)) if predictions is None else predictions
    parts = [
        np.zeros(length) if row is None else np.frombuffer(struct.pack(f"<{length}q", *row), "<f8")
        for row, length in zip(rows, [*lengths] * neurons, strict=True)
    ]
    found = np.concatenate(parts).reshape(neurons, -1)
    # bit patterns come from the code's process and may be anything
    return np.where(np.isfinite(found), found, 0.0)


def score_explanation(result: FunctionResult, lengths: Sequence[int], truths: Mapping[str, Truth]) -> Score:
    """Score the predictions of a submitted function.

    Args:
        result: The function's result; see `predicted_activations`.
        lengths: The lengths of the texts.
        truths: Neuron -> its truth, in the order of the predictions.

    Returns:
        A score with `EXPLANATION_METRICS`, means over the neurons. A function that had a problem is flagged
        ``function_<fault>``, and a note says which; another note has each neuron's score, where there are several.
    """
    predicted = activations_of(result.predictions, lengths, len(truths))
    each = [truth.metrics(row) for truth, row in zip(truths.values(), predicted, strict=True)]
    metrics = {name: fmean(one[name] for one in each) for name in EXPLANATION_METRICS}
    chance = fmean(truth.chance for truth in truths.values())
    ceiling = fmean(truth.ceiling for truth in truths.values())
    notes = [] if result.problem is None else [shortened(result.problem, LONGEST_PROBLEM)]
    if len(truths) > 1:
        listed = ", ".join(f"{name} {one['score']:.3f}" for name, one in zip(truths, each, strict=True))
        notes.append(f"Correlation on hidden texts: {listed}.")
    return Score(
        metrics=metrics,
        primary="score",
        skill=normalised_skill(metrics["score"], chance, ceiling),
        chance=chance,
        reference=ceiling,
        flags=() if result.fault is None else (f"function_{result.fault}",),
        notes=tuple(notes),
    )
