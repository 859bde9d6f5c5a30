"""The hidden side of an instance of ``variables/subspace``: the variable's place, and pairs to test answers on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Float, Int
from torch import Tensor
from transformer_lens import HookedTransformer

from scribe_suite.planting.hooked import ModelWeights, build_model
from scribe_suite.planting.variables.interchange import Place, Rates
from scribe_suite.planting.variables.plans import Plan, draw_pairs
from scribe_suite.scoring.subspace import subspace_rates

#: Number of hidden pairs.
HIDDEN_PAIRS = 400


@dataclass(frozen=True)
class Hidden:
    """The hidden data of an instance, in the instance's own names and basis.

    Attributes:
        plan: The plan that the model implements.
        variable: The variable in question.
        place: The site at which it was planted.
        planted: The directions in which it was planted.
        weights: The model's weights.
        seed: Seed of the pairs.
    """

    plan: Plan
    variable: int
    place: Place
    planted: Float[Tensor, "d_model k"]
    weights: ModelWeights
    seed: int

    @cached_property
    def pairs(self) -> tuple[Int[Tensor, "pair position"], Int[Tensor, "pair position"]]:
        """Hidden base and source prompts, which differ in every variable."""
        return draw_pairs(self.plan, HIDDEN_PAIRS, torch.Generator().manual_seed(self.seed))

    @cached_property
    def model(self) -> HookedTransformer:
        """The model."""
        return build_model(self.weights)

    @cached_property
    def reference(self) -> Rates:
        """The effect of exchanging the planted directions."""
        return self.rates(self.place, self.planted.T.tolist())

    def rates(self, place: Place, directions: Sequence[Sequence[float]]) -> Rates:
        """The effect of exchanging the span of some directions."""
        return subspace_rates(self.model, self.pairs, self.plan, self.variable, place, directions)
