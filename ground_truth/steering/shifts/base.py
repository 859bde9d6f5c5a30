"""Base models with a gate; their plans are frozen next to the weights, because the sampler may change."""

from __future__ import annotations

from dataclasses import dataclass

from scribe_suite.planting.frozen import FrozenModel
from scribe_suite.planting.hooked import ModelWeights
from scribe_suite.planting.steering.plans import GatePlan


@dataclass(frozen=True)
class Base:
    """A base model from which instances are made.

    Attributes:
        name: Name of the base model.
        weights: Its weights.
        plan: The plan that it implements.
    """

    name: str
    weights: ModelWeights
    plan: GatePlan

    @classmethod
    def of(cls, model: FrozenModel) -> Base:
        """A frozen base model."""
        return cls(model.name, model.weights, GatePlan.of_record(model.record.key))
