"""The fitted models by which the ceiling of ``neurons/explain_real`` is measured: the best of them, by neuron.

They add up a number for every feature of a position (`features`): the last four tokens, their words, endings and
shapes, the words of the window before, and joint features of the current token and the one before. They minimise the
squared error on public text, with the weights of the score raised to a power below 1: otherwise the 2 % of positions
that have a third of the weight would be overfitted. There are two fits, each with all features and *short*:

- *gradients*: stochastic gradient descent with dropout of features (`by_gradients`);
- *ridge*: a ridge regression (`by_ridge`);
- *short*: the `KEPT` features that change the whole model's predictions most, fitted again.

The short models of three neurons together fit into an agent's code. Models without pairs, and gated models silu(g) u
with additive g and u, were tried and score lower.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import nn

#: The models, in the order of `predictions`.
MODELS = ("gradients", "gradients, short", "ridge", "ridge, short")
#: Number of features of the short models.
KEPT = 2_000
# gradients: epochs, examples in a step, learning rate, exponent of the weights, dropout rate of features, decay
_EPOCHS, _BATCH, _RATE = 5, 256, 0.01
_POWER, _DROPPED, _DECAY = 0.6, 0.3, 10.0
# ridge: exponent of the weights, and the penalty on a squared coefficient, in units of a position's mean weight
_RIDGE_POWER, _PENALTY, _SHORT_PENALTY = 0.8, 100.0, 60.0
#: Conjugate gradients stop after so many steps, or when the residual is this share of the first one.
_MOST_STEPS, _SMALL = 60, 1e-3

_Fit = Callable[[Int[np.ndarray, "positions slot"], float], Float[np.ndarray, " feature"]]


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

    def gradients(numbers: NDArray[np.int64], decay: float) -> NDArray[np.float64]:
        return by_gradients(numbers, activations, weights, n_features, decay)

    def ridge(numbers: NDArray[np.int64], penalty: float) -> NDArray[np.float64]:
        return by_ridge(numbers, activations, weights, n_features, penalty)

    tables = [
        *_whole_and_short(gradients, (_DECAY, _DECAY), seen, n_features),
        *_whole_and_short(ridge, (_PENALTY, _SHORT_PENALTY), seen, n_features),
    ]
    return {name: table[judged].sum(1) for name, table in zip(MODELS, tables, strict=True)}


def _whole_and_short(
    fit: _Fit, penalties: tuple[float, float], seen: Int[np.ndarray, "positions slot"], n_features: int
) -> tuple[Float[np.ndarray, " feature"], Float[np.ndarray, " feature"]]:
    """The coefficients of all features, and those of the features that matter most, fitted again without the others."""
    whole = fit(seen, penalties[0])
    matters = np.abs(whole) * np.sqrt(np.bincount(seen.reshape(-1), minlength=n_features))
    known = np.zeros(n_features, bool)
    known[np.argsort(-matters, kind="stable")[:KEPT]] = True
    short = fit(np.where(known[seen], seen, 0), penalties[1])
    return whole, np.where(known, short, 0.0)


def by_ridge(
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
    share = (weights / weights.mean()) ** _RIDGE_POWER
    share = share / share.mean()

    def back(values: NDArray[np.float64]) -> NDArray[np.float64]:
        found: NDArray[np.float64] = np.bincount(
            numbers.reshape(-1), np.repeat(values, numbers.shape[1]), n_features
        ).astype(np.float64)
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


def by_gradients(
    numbers: Int[np.ndarray, "positions slot"],
    activations: Float[np.ndarray, " positions"],
    weights: Float[np.ndarray, " positions"],
    n_features: int,
    decay: float = _DECAY,
    seed: int = 0,
) -> Float[np.ndarray, " feature"]:
    """The coefficient of every feature, by stochastic gradient descent; deterministic for a seed.

    Args:
        numbers: Features of every position.
        activations: Activation at every position.
        weights: Weight of every position.
        n_features: Number of features, the empty one included.
        decay: Penalty on the mean square of the coefficients of a step's features.
        seed: Seed of the order of the examples and of the dropout.
    """
    generator = torch.Generator().manual_seed(seed)
    share = (weights / weights.mean()) ** _POWER
    share = share / share.mean()
    scale = float(np.sqrt(np.average(activations**2, weights=share))) + 1e-9
    rows, right = torch.from_numpy(numbers), torch.from_numpy(activations / scale).float()
    counts = torch.from_numpy(share).float()
    table, bias = nn.Parameter(torch.zeros(n_features)), nn.Parameter(torch.zeros(1))
    optimiser = torch.optim.Adam([table, bias], lr=_RATE)
    steps = _EPOCHS * -(-len(rows) // _BATCH)
    schedule = torch.optim.lr_scheduler.LinearLR(optimiser, 1.0, 0.05, steps)
    for _ in range(_EPOCHS):
        for batch in torch.randperm(len(rows), generator=generator).split(_BATCH):  # type: ignore[no-untyped-call]
            kept = (torch.rand(rows[batch].shape, generator=generator) > _DROPPED) & (rows[batch] > 0)
            chosen = table[rows[batch]]
            predicted = (chosen * (kept / (1 - _DROPPED))).sum(1) + bias
            loss = (counts[batch] * (predicted - right[batch]).square()).mean()
            loss = loss + decay * chosen.square().mean()
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            schedule.step()
    found: Float[np.ndarray, " feature"] = table.detach().double().numpy().copy()
    found[0] = 0.0
    return found
