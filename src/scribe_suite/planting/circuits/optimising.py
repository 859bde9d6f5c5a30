"""The loop that trains planted circuits and programs: Adam, warm-up, linear decay, clipped gradients, one thread."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

import torch
from jaxtyping import Float
from torch import Tensor


class Rates(Protocol):
    """The optimiser's part of a recipe.

    Attributes:
        steps: Optimiser steps.
        learning_rate: Peak of Adam's rate.
        warmup: Steps in which it rises.
        clip: Largest norm of a gradient.
    """

    @property
    def steps(self) -> int: ...  # noqa: D102 -- see the class

    @property
    def learning_rate(self) -> float: ...  # noqa: D102

    @property
    def warmup(self) -> int: ...  # noqa: D102

    @property
    def clip(self) -> float: ...  # noqa: D102


def optimise(
    parameters: Sequence[Tensor],
    loss: Callable[[], Float[Tensor, ""]],
    rates: Rates,
    floor: float,
    after: Callable[[int, float], None],
) -> None:
    """Train parameters in place.

    Args:
        parameters: The parameters to train.
        loss: Computes the loss of a fresh batch, with gradients.
        rates: The settings.
        floor: Share of the peak below which the rate does not fall.
        after: Called after each step with its number, from 1, and its loss.
    """
    optimiser = torch.optim.Adam(parameters, lr=rates.learning_rate, betas=(0.9, 0.98))
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda step: min((step + 1) / rates.warmup, max(floor, 1 - step / rates.steps))
    )
    for step in range(1, rates.steps + 1):
        found = loss()
        optimiser.zero_grad(set_to_none=True)
        found.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(parameters, rates.clip)
        optimiser.step()
        schedule.step()
        after(step, found.item())


@contextmanager
def one_thread() -> Iterator[None]:
    """Use one thread, because sums over several threads differ: so the same seed gives the same weights."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
