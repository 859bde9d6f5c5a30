"""Base models whose weights were written from a plan; the plan is frozen too, because the sampler may change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, Protocol, Self, TypeVar

from scribe_suite.planting.frozen import FrozenModel
from scribe_suite.planting.hooked import ModelWeights


class WrittenPlan(Protocol):
    """What a base model computes, and how."""

    def as_record(self) -> dict[str, Any]:
        """As JSON."""

    @classmethod
    def of_record(cls, record: Mapping[str, Any]) -> Self:
        """From what `as_record` returned."""


PlanT = TypeVar("PlanT", bound=WrittenPlan)


@dataclass(frozen=True)
class WrittenBase(Generic[PlanT]):
    """A base model from which instances are made.

    Class attributes:
        plan_type: The class of the plan.

    Attributes:
        name: Name of the base model.
        weights: Its weights.
        plan: The plan that it implements.
    """

    plan_type: ClassVar[type[WrittenPlan]]
    name: str
    weights: ModelWeights
    plan: PlanT

    @classmethod
    def of(cls, model: FrozenModel) -> Self:
        """A frozen base model."""
        return cls(model.name, model.weights, cls.plan_type.of_record(model.record.key))  # type: ignore[arg-type]

    def key(self) -> dict[str, Any]:
        """What is frozen next to the weights."""
        return self.plan.as_record()
