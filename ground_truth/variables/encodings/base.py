"""Base models with a coded variable; plan and points are frozen next to the weights, because samplers may change."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import torch
from jaxtyping import Float
from torch import Tensor

from ground_truth.variables.written.base import WrittenBase
from scribe_suite.planting.frozen import FrozenModel
from scribe_suite.planting.hooked import build_model
from scribe_suite.planting.variables.encoded.measuring import Coded
from scribe_suite.planting.variables.encoded.network import code_basis
from scribe_suite.planting.variables.encoded.plans import EncodedDial, EncodedPlan


@dataclass(frozen=True)
class Base(WrittenBase[EncodedPlan]):
    """A base model of this task.

    Attributes:
        points: The point of each state, in the dimensions of the code.
    """

    plan_type = EncodedPlan
    points: Float[Tensor, "state k"]

    @classmethod
    def of(cls, model: FrozenModel) -> Self:
        """See `WrittenBase.of`: the plan is frozen with the points."""
        key = model.record.key
        return cls(model.name, model.weights, EncodedPlan.of_record(key["plan"]), torch.tensor(key["points"]))

    def key(self) -> dict[str, Any]:
        """See `WrittenBase.key`."""
        return {"plan": super().key(), "points": self.points.tolist()}

    def coded(self, dial: EncodedDial) -> Coded:
        """The model with its code, in the basis of the frozen model."""
        return Coded(build_model(self.weights), self.plan, self.points @ code_basis(dial).T)
