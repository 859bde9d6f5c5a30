"""The hidden side of an instance of ``variables/used``: which properties are used, measured by interventions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from jaxtyping import Float
from torch import Tensor
from transformer_lens import HookedTransformer

from scribe_suite.planting.hooked import ModelWeights, build_model
from scribe_suite.planting.variables.used.certificate import Effect, effect_of
from scribe_suite.planting.variables.used.plans import UsedPlan

#: From this share of moved labels on, a property counts as used; certificates keep all far away from it.
_MOVES = 0.5


@dataclass(frozen=True)
class Hidden:
    """The hidden data of an instance, in the instance's own names and basis.

    Attributes:
        plan: The plan that the model implements.
        names: The public name of each property of the plan.
        kept: The directions in which each property is kept, at the place in question.
        weights: The model's weights.
        seed: Seed of the pairs of prompts.
    """

    plan: UsedPlan
    names: Sequence[str]
    kept: Sequence[Float[Tensor, "d_model k"]]
    weights: ModelWeights
    seed: int

    @cached_property
    def model(self) -> HookedTransformer:
        """The model."""
        return build_model(self.weights)

    @cached_property
    def effects(self) -> Mapping[str, Effect]:
        """What exchanging each property does to the label, on hidden pairs."""
        return {
            name: effect_of(self.model, self.plan, number, directions, self.seed)
            for number, (name, directions) in enumerate(zip(self.names, self.kept, strict=True))
        }

    @cached_property
    def truth(self) -> Mapping[str, bool]:
        """Whether each property is used."""
        return {name: effect.moved >= _MOVES for name, effect in self.effects.items()}
