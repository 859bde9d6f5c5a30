"""Base models with variables: what they compute is frozen beside the weights, since its sampler may change."""

from __future__ import annotations

from dataclasses import dataclass

from scribe_suite.planting.frozen import FrozenModel
from scribe_suite.planting.hooked import ModelWeights
from scribe_suite.planting.variables.plans import Plan


@dataclass(frozen=True)
class Base:
    """What instances are made from.

    Attributes:
        name: Of the base model.
        weights: Its weights.
        plan: What it computes.
    """

    name: str
    weights: ModelWeights
    plan: Plan

    @classmethod
    def of(cls, model: FrozenModel) -> Base:
        """A frozen base model."""
        return cls(model.name, model.weights, Plan.of_record(model.record.key))
