"""The hidden side of an instance of ``steering/shift``: the gate's direction, and prompts to judge vectors on."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Float
from torch import Tensor

from scribe_suite.planting.hooked import ModelWeights, build_model
from scribe_suite.planting.steering.added import Effect, Prompts
from scribe_suite.planting.steering.certificate import judged_prompts
from scribe_suite.planting.steering.plans import GatePlan

#: Number of hidden prompts of each kind.
HIDDEN_PROMPTS = 300


@dataclass(frozen=True)
class Hidden:
    """The hidden data of an instance, in the instance's own names and basis.

    Attributes:
        plan: The plan that the model implements.
        layer: The layer after which the gate is kept.
        direction: The direction that turns it on there.
        weights: The model's weights.
        seed: Seed of the prompts.
    """

    plan: GatePlan
    layer: int
    direction: Float[Tensor, " d_model"]
    weights: ModelWeights
    seed: int

    @cached_property
    def judged(self) -> Prompts:
        """Hidden prompts, with what the model says to them."""
        generator = torch.Generator().manual_seed(self.seed)
        return judged_prompts(build_model(self.weights), self.plan, HIDDEN_PROMPTS, generator)

    @cached_property
    def reference(self) -> Effect:
        """The effect of the planted direction."""
        return self.judged.effect(self.layer, self.direction)
