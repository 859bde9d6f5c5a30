"""The hidden side of an instance of ``variables/subspace``: where the variable is, and pairs to test answers on."""

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

#: Hidden pairs.
HIDDEN_PAIRS = 400


@dataclass(frozen=True)
class Hidden:
    """What the evaluator keeps, in the instance's own names and basis.

    Attributes:
        plan: What the model computes.
        variable: The one that is asked for.
        place: Where it was planted.
        planted: The directions in which it was.
        weights: The model.
        seed: Of the pairs.
    """

    plan: Plan
    variable: int
    place: Place
    planted: Float[Tensor, "d_model k"]
    weights: ModelWeights
    seed: int

    @cached_property
    def pairs(self) -> tuple[Int[Tensor, "pair position"], Int[Tensor, "pair position"]]:
        """Base and source prompts that no agent sees; they differ in every variable."""
        return draw_pairs(self.plan, HIDDEN_PAIRS, torch.Generator().manual_seed(self.seed))

    @cached_property
    def model(self) -> HookedTransformer:
        """The model."""
        return build_model(self.weights)

    @cached_property
    def reference(self) -> Rates:
        """What exchanging the planted directions does."""
        return self.rates(self.place, self.planted.T.tolist())

    def rates(self, place: Place, directions: Sequence[Sequence[float]]) -> Rates:
        """What exchanging the span of some directions does."""
        return subspace_rates(self.model, self.pairs, self.plan, self.variable, place, directions)
