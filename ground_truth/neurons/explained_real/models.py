"""The fitted models by which the ceiling of ``neurons/explain_real`` is measured.

They add up a number for every feature of a position (`features`): the last four tokens, their words, endings and
shapes, the words of the window before, and joint features of the current token and the one before. They minimise the
squared error on public text, with the weights of the score raised to a power below 1: otherwise the 2 % of positions
that have a third of the weight would be overfitted.

- *whole*: all features;
- *short*: the `KEPT` features that change the whole model's predictions most, fitted again.

The short models of three neurons together fit into an agent's code; the short model is the ceiling. Models without
pairs, and gated models silu(g) u with additive g and u, were tried and score lower.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import nn

#: The models, in the order of `predictions`.
MODELS = ("whole", "short")
#: Number of features of the short model.
KEPT = 2_000
_EPOCHS, _BATCH, _RATE = 5, 256, 0.01
#: Exponent of the weights.
_POWER = 0.6
#: Dropout rate of features in each example.
_DROPPED = 0.3
_DECAY = 10.0


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
    whole = fitted_table(seen, activations, weights, n_features)
    counts = np.bincount(seen.reshape(-1), minlength=n_features)
    matters = np.abs(whole) * np.sqrt(counts)
    left_out = np.argsort(-matters, kind="stable")[KEPT:]
    known = np.ones(n_features, bool)
    known[left_out] = False
    short = fitted_table(np.where(known[seen], seen, 0), activations, weights, n_features)
    return {
        name: table[judged].sum(1) for name, table in zip(MODELS, (whole, np.where(known, short, 0.0)), strict=True)
    }


def fitted_table(
    numbers: Int[np.ndarray, "positions slot"],
    activations: Float[np.ndarray, " positions"],
    weights: Float[np.ndarray, " positions"],
    n_features: int,
    seed: int = 0,
) -> Float[np.ndarray, " feature"]:
    """The coefficient of every feature; deterministic for a seed.

    Args:
        numbers: Features of every position.
        activations: Activation at every position.
        weights: Weight of every position.
        n_features: Number of features, the empty one included.
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
            loss = loss + _DECAY * chosen.square().mean()
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            schedule.step()
    found: Float[np.ndarray, " feature"] = table.detach().double().numpy().copy()
    found[0] = 0.0
    return found
