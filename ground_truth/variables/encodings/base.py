"""Base models with a coded variable; plan and points are frozen next to the weights, because samplers may change."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from scribe_suite.planting.frozen import FrozenModel
from scribe_suite.planting.hooked import ModelWeights, build_model
from scribe_suite.planting.variables.encoded.measuring import Coded
from scribe_suite.planting.variables.encoded.network import code_basis
from scribe_suite.planting.variables.encoded.plans import EncodedDial, EncodedPlan


@dataclass(frozen=True)
class Base:
    """A base model from which instances are made.

    Attributes:
        name: Name of the base model.
        weights: Its weights.
        plan: The plan that it implements.
        points: The point of each state, in the dimensions of the code.
    """

    name: str
    weights: ModelWeights
    plan: EncodedPlan
    points: Float[Tensor, "state k"]

    @classmethod
    def of(cls, model: FrozenModel) -> Base:
        """A frozen base model."""
        key = model.record.key
        return cls(model.name, model.weights, EncodedPlan.of_record(key["plan"]), torch.tensor(key["points"]))

    def key(self) -> dict[str, Any]:
        """What is frozen next to the weights."""
        return {"plan": self.plan.as_record(), "points": self.points.tolist()}

    def coded(self, dial: EncodedDial) -> Coded:
        """The model with its code, in the basis of the frozen model."""
        return Coded(build_model(self.weights), self.plan, self.points @ code_basis(dial).T)
