"""The hidden side of an instance of ``saes/influential``: what was written, and what zeroing latents does."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property

from jaxtyping import Int
from torch import Tensor

from scribe_suite.planting.saes.ablation import Ablations, ablations_of
from scribe_suite.planting.saes.best import GroupEffects, measure_groups
from scribe_suite.planting.saes.network import SparseModel


@dataclass(frozen=True)
class Hidden:
    """The hidden data of an instance, in the instance's own names and basis.

    Attributes:
        model: The model and its autoencoder.
        chosen: How many latents are asked for.
        tokens: The hidden prompts.
    """

    model: SparseModel
    chosen: int
    tokens: Int[Tensor, "prompt position"]

    @cached_property
    def ablations(self) -> Ablations:
        """The model on the hidden prompts."""
        return ablations_of(self.model, self.tokens)

    @cached_property
    def effects(self) -> GroupEffects:
        """The effects of all sets of latents."""
        return measure_groups(self.model, self.ablations, self.tokens)

    @cached_property
    def best(self) -> tuple[list[int], float]:
        """The best set, and its effect."""
        return self.effects.best(self.chosen)

    def effect(self, zeroed: Collection[int]) -> float:
        """The effect of a set, measured by zeroing it."""
        return self.ablations.effect(sorted(zeroed)) if zeroed else 0.0
