"""Methods that find a subspace from prompts that agents may have, as the reference solution does.

None needs features of a sparse autoencoder: principal components of activations, principal components of differences
between prompts (with two values of a property the first one is the difference of means), and distributed alignment
search (DAS; Geiger et al. 2024, arXiv 2303.02536), which follows the gradient of what an exchange should do.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from scribe_suite.planting.variables.interchange import orthonormal
from scribe_suite.scoring.crossed_prompts import Exchanges, Spot, both_changed, flat_index, twins
from scribe_suite.scoring.real_subspace import log_odds

#: The most directions that may be given.
MOST_DIRECTIONS = 4
#: Of the search: steps, prompts of a step, and of these those of the control.
STEPS, BATCH, CONTROLS = 48, 16, 4
_RATE = 0.02

Report = Callable[[float], None]


def changed(contexts: int, asked: int) -> Int[Tensor, " prompt"]:
    """For every prompt the row of the one in which only the asked property has the other value."""
    return flat_index(contexts).flip(1 + asked).flatten()


def mean_difference(values: Float[Tensor, "prompt d_model"], asked: int) -> Float[Tensor, "d_model 1"]:
    """The difference of the mean activations of both values."""
    by_value = values.reshape(-1, 2, 2, values.shape[1]).movedim(1 + asked, 0)
    difference = by_value[1].flatten(0, 1).mean(0) - by_value[0].flatten(0, 1).mean(0)
    return orthonormal(difference[:, None])


def components(values: Float[Tensor, "prompt d_model"], count: int = MOST_DIRECTIONS) -> Float[Tensor, "d_model k"]:
    """The first principal components of activations."""
    axes: Tensor = torch.linalg.svd(values - values.mean(0), full_matrices=False)[2]
    return axes[:count].T


def difference_components(
    values: Float[Tensor, "prompt d_model"], asked: int, count: int = MOST_DIRECTIONS
) -> Float[Tensor, "d_model k"]:
    """The first principal components of differences between prompts in which only the asked property differs."""
    differences = values[changed(len(values) // 4, asked)] - values
    axes: Tensor = torch.linalg.svd(differences, full_matrices=False)[2]
    return axes[:count].T


def aligned(
    exchanges: Exchanges,
    asked: int,
    spot: Spot,
    start: Float[Tensor, "d_model k"],
    report: Report,
    *,
    shuffled: bool = False,
    seed: int = 0,
) -> Float[Tensor, "d_model k"]:
    """Distributed alignment search: odds after an exchange should be those of the counterfactual prompt.

    Args:
        exchanges: The model on the prompts to fit on.
        asked: Which property is asked for, 0 or 1.
        spot: Where exchanges are made.
        start: Columns to start from.
        report: Called with the completed fraction.
        shuffled: The control task: for each pair of contexts it is drawn whether an exchange should move the asked
            property to the source's value or as far the other way, so that there is nothing to learn but words.
        seed: Of the order of prompts, and of what is shuffled.

    Returns:
        Orthonormal columns.
    """
    generator = torch.Generator().manual_seed(seed)
    both, only, twin = (
        both_changed(exchanges.contexts), changed(exchanges.contexts, asked), twins(exchanges.contexts)
    )  # fmt: skip
    before = log_odds(exchanges.before, asked)
    wanted = torch.stack([before[only, 0], before[:, 1]], -1)
    if shuffled:
        away = torch.randint(2, (exchanges.contexts // 2,), generator=generator).bool().repeat_interleave(8)
        wanted[away, 0] = 2 * before[away, 0] - wanted[away, 0]
    scale = (before[both] - before).square().mean(0)
    weights = start.clone().requires_grad_()
    optimiser = torch.optim.Adam([weights], lr=_RATE)
    for step in range(STEPS):
        rows = torch.randperm(len(exchanges), generator=generator)[:BATCH]
        sources = torch.cat([both[rows[CONTROLS:]], twin[rows[:CONTROLS]]])
        aims = torch.cat([wanted[rows[CONTROLS:]], before[rows[:CONTROLS]]])
        rows = torch.cat([rows[CONTROLS:], rows[:CONTROLS]])
        with torch.enable_grad():
            basis = torch.linalg.qr(weights)[0]
            after = log_odds(exchanges.after(spot, sources, basis, rows), asked)
            loss = ((after - aims).square() / scale).mean()
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        report((step + 1) / STEPS)
    found: Tensor = torch.linalg.qr(weights.detach())[0]
    return found
