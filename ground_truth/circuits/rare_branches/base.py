"""Base models with a rare branch; their plans are frozen next to the weights, because the sampler may change."""

from __future__ import annotations

from dataclasses import dataclass, replace

from scribe_suite.planting.circuits.branches.plans import Plan
from scribe_suite.planting.frozen import FrozenModel
from scribe_suite.planting.hooked import ModelWeights
from scribe_suite.planting.symmetries import Symmetry


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
    plan: Plan

    @classmethod
    def of(cls, model: FrozenModel) -> Base:
        """A frozen base model."""
        return cls(model.name, model.weights, Plan.of_record(model.record.key))


def renamed_plan(plan: Plan, symmetry: Symmetry) -> Plan:
    """The same plan in the names after a symmetry."""
    classes = [0] * plan.d_vocab
    for old, label in enumerate(plan.classes):
        classes[symmetry.token_map[old]] = symmetry.label_map[label]
    return replace(
        plan,
        classes=tuple(classes),
        conditions=tuple(condition.renamed(symmetry) for condition in plan.conditions),
        labels=tuple(None if label is None else symmetry.label_map[label] for label in plan.labels),
    )
