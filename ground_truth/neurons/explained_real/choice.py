"""Chooses candidate neurons: those that the last few tokens together predict much better than any single one.

They are chosen on public text only, in two steps, each with cross-predictions between two halves of the addresses:

1. For all sampled neurons, by plain correlation: a ridge regression on the tokens at the last four places is compared
   with the best list of tokens. The `SHORTLIST` neurons in which the regression leads most are kept.
2. The same, with the weights of the score; `CANDIDATES` neurons are kept.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from jaxtyping import Float, Int
from numpy.typing import NDArray

from ground_truth.neurons.explained_real.strata import (
    REACH,
    Readings,
    fitted_list,
    strata_of,
    threshold_of,
    weights_of,
)
from scribe_suite.planting.neurons.correlation import weighted_correlation

#: Number of neurons kept after each step.
SHORTLIST, CANDIDATES = 240, 36
#: Minimum count of a token at a place to get a coefficient there.
_FEWEST = 4
_PENALTY = 6.0


def chosen_neurons(
    tokens: Int[np.ndarray, "text position"],
    activations: Float[np.ndarray, "text position neuron"],
    half: Int[np.ndarray, " text"],
    size: int,
) -> Int[np.ndarray, " candidate"]:
    """The columns of the candidates, best first.

    Args:
        tokens: Public texts, start token in front.
        activations: Activations, multiplied by the sign of each neuron.
        half: 0 or 1 for each text.
        size: Size of the vocabulary.
    """
    places = [Readings(tokens, activations[..., 0]).before(place)[:, 1:].reshape(-1) for place in range(REACH + 1)]
    of = half.repeat(tokens.shape[1] - 1)
    values = np.ascontiguousarray(activations[:, 1:]).reshape(len(of), -1).astype(np.float32)
    ridge = _crossed(sp.hstack([_one_hot(one, size) for one in places]).tocsc(), values, of)
    lists = [_correlations(_crossed(_one_hot(one, size), values, of), values) for one in places]
    lead = _correlations(ridge, values) - np.max(lists, axis=0)
    short = np.argsort(-lead, kind="stable")[:SHORTLIST]
    scores = [
        _weighted_lead(Readings(tokens, activations[..., column].astype(np.float64)), ridge[:, column], half, size)
        for column in short.tolist()
    ]
    found: Int[np.ndarray, " candidate"] = short[np.argsort(-np.asarray(scores), kind="stable")[:CANDIDATES]]
    return found


def _weighted_lead(readings: Readings, predicted: NDArray[np.float32], half: NDArray[np.int64], size: int) -> float:
    threshold = threshold_of(readings)
    weights = weights_of(readings.tokens, strata_of(readings, threshold))
    counted = weights[:, 1:].reshape(-1)
    truth = readings.activations[:, 1:].reshape(-1)
    lists = []
    for place in range(REACH + 1):
        values = np.zeros(readings.tokens.shape)
        for one in (0, 1):
            fit, judged = np.flatnonzero(half != one), np.flatnonzero(half == one)
            found = fitted_list(readings.some(fit), weights[fit], place, size)
            values[judged] = found.values(readings.some(judged))
        lists.append(weighted_correlation(values[:, 1:].reshape(-1), truth, counted))
    return weighted_correlation(predicted.astype(np.float64), truth, counted) - max(lists)


def _one_hot(tokens: NDArray[np.int64], size: int) -> sp.csc_matrix:
    shape = len(tokens), size
    return sp.csc_matrix((np.ones(len(tokens), np.float32), (np.arange(len(tokens)), tokens)), shape=shape)


def _crossed(design: sp.csc_matrix, values: NDArray[np.float32], of: NDArray[np.int64]) -> NDArray[np.float32]:
    """Predictions of a ridge regression for each half of the positions, fitted to the other half."""
    found = np.zeros_like(values)
    for one in (0, 1):
        fit, judged = np.flatnonzero(of != one), np.flatnonzero(of == one)
        rows = design.tocsr()[fit]
        frequent = np.flatnonzero(np.asarray(rows.sum(0)).reshape(-1) >= _FEWEST)
        rows, others = rows.tocsc()[:, frequent].tocsr(), design.tocsr()[judged].tocsc()[:, frequent].tocsr()
        mean = values[fit].mean(0)
        gram = (rows.T @ rows).toarray()
        gram[np.diag_indices(len(gram))] += _PENALTY
        weights = np.linalg.solve(gram, rows.T @ (values[fit] - mean)).astype(np.float32)
        found[judged] = others @ weights + mean
    return found


def _correlations(x: NDArray[np.float32], y: NDArray[np.float32]) -> NDArray[np.float64]:
    dx, dy = x - x.mean(0), y - y.mean(0)
    scale = np.sqrt((dx.astype(np.float64) ** 2).sum(0) * (dy.astype(np.float64) ** 2).sum(0))
    return np.asarray((dx * dy).sum(0, dtype=np.float64) / np.maximum(scale, 1e-12))
