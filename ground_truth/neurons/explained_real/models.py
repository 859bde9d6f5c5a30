"""The fitted models by which the ceiling of ``neurons/explain_real`` is measured.

They add up a number for every feature of a position (`features`): the last four tokens, their words, endings and
shapes, the words of the window before, and joint features of the current token and the one before. They are ridge
regressions on public text, with the weights of the score raised to a power below 1: otherwise the 2 % of positions
that have a third of the weight would be overfitted.

- *whole*: all features;
- *short*: the `KEPT` features that change predictions most, chosen in steps with a fit after each.

The short models of all neurons of an instance fit into an agent's code; the short model is the ceiling. The same models
fitted by stochastic gradients with dropout reached 0.02 less on average, models without pairs and gated models,
silu(g) u with additive g and u, less again.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import NDArray

#: The models, in the order of `predictions`.
MODELS = ("whole", "short")
#: Number of features of the short model, and of the models from which they are chosen, one after another.
KEPT = 400
_STEPS = (3_000, 1_000)
#: Exponent of the weights.
_POWER = 0.8
#: Penalty on the square of a number, in units of a position's mean weight: with all features, and with some of them.
_PENALTY, _SHORT_PENALTY = 100.0, 30.0
#: Conjugate gradients stop after so many steps, or when the residual is this share of what it was.
_MOST_STEPS, _SMALL = 60, 1e-3


def predictions(
    seen: Int[np.ndarray, "positions slot"],
    activations: Float[np.ndarray, " positions"],
    weights: Float[np.ndarray, " positions"],
    judged: Int[np.ndarray, "others slot"],
    n_features: int,
) -> Mapping[str, Float[np.ndarray, " others"]]:
    """The predictions of each model.

    Args:
        seen: Features of the positions to which models are fitted.
        activations: Activations at these positions.
        weights: Weights of these positions.
        judged: Features of the positions to predict.
        n_features: Number of features, the empty one included.
    """
    counts = np.bincount(seen.reshape(-1), minlength=n_features)
    whole = fitted_table(seen, activations, weights, n_features, _PENALTY)
    short = whole
    for kept in (*_STEPS, KEPT):
        matters = np.abs(short) * np.sqrt(counts)
        known = np.zeros(n_features, bool)
        known[np.argsort(-matters, kind="stable")[:kept]] = True
        short = fitted_table(np.where(known[seen], seen, 0), activations, weights, n_features, _SHORT_PENALTY)
    return {name: table[judged].sum(1) for name, table in zip(MODELS, (whole, short), strict=True)}


def fitted_table(
    numbers: Int[np.ndarray, "positions slot"],
    activations: Float[np.ndarray, " positions"],
    weights: Float[np.ndarray, " positions"],
    n_features: int,
    penalty: float,
) -> Float[np.ndarray, " feature"]:
    """The coefficient of every feature, by conjugate gradients on the normal equations of a ridge regression.

    Args:
        numbers: Features of every position; 0 is none.
        activations: Activation at every position.
        weights: Weight of every position.
        n_features: Number of features, the empty one included.
        penalty: Penalty on the square of a coefficient.
    """
    share = (weights / weights.mean()) ** _POWER
    share = share / share.mean()

    def back(values: NDArray[np.float64]) -> NDArray[np.float64]:
        found = np.bincount(numbers.reshape(-1), np.repeat(values, numbers.shape[1]), n_features)
        found[0] = 0.0
        return found

    scale = back(share) + penalty
    table: Float[np.ndarray, " feature"] = np.zeros(n_features)
    residual = back(share * (activations - share @ activations / share.sum()))
    direction = solved = residual / scale
    size = first = float(residual @ solved)
    for _ in range(_MOST_STEPS):
        if size <= _SMALL**2 * first:
            break
        image = back(share * direction[numbers].sum(1)) + penalty * direction
        step = size / float(direction @ image)
        table = table + step * direction
        residual = residual - step * image
        solved = residual / scale
        before, size = size, float(residual @ solved)
        direction = solved + size / before * direction
    return table
