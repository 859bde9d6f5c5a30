"""The hidden side of an instance of ``variables/encoding``: the code, and activations to test answers on."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Float
from torch import Tensor

from scribe_suite.planting.hooked import ModelWeights, build_model
from scribe_suite.planting.variables.encoded.measuring import (
    Coded,
    EncodingRates,
    Trial,
    draw_trial,
    encoding_rates,
    planted_rates,
)
from scribe_suite.planting.variables.encoded.plans import EncodedPlan
from scribe_suite.scoring.encoding import Submitted

#: Number of activations to read, and of pairs to write.
HIDDEN_PAIRS = 400

_SOURCE = """\
import numpy as np

BASIS = np.array({basis})
POINTS = np.array({points})
VALUES = {values}
TARGETS = {targets}


def state_of(activation):
    return int(np.abs(POINTS - BASIS @ activation).sum(1).argmin())


def read(activation):
    return VALUES[state_of(activation)]


def write(activation, value):
    target = POINTS[TARGETS[state_of(activation)][value]]
    return activation + (target - BASIS @ activation) @ BASIS
"""


@dataclass(frozen=True)
class Hidden:
    """The hidden data of an instance, in the instance's own names and basis.

    Attributes:
        plan: The plan that the model implements.
        points: The point of each state of the code, in the residual stream.
        weights: The model's weights.
        seed: Seed of the activations.
    """

    plan: EncodedPlan
    points: Float[Tensor, "state d_model"]
    weights: ModelWeights
    seed: int

    @cached_property
    def coded(self) -> Coded:
        """The model with its code."""
        return Coded(build_model(self.weights), self.plan, self.points)

    @cached_property
    def trial(self) -> Trial:
        """Activations to read, and pairs to write."""
        return draw_trial(self.coded, HIDDEN_PAIRS, torch.Generator().manual_seed(self.seed))

    @cached_property
    def reference(self) -> EncodingRates:
        """The rates of the code as it was planted."""
        return planted_rates(self.coded, self.trial)

    def rates(self, submitted: Submitted) -> EncodingRates:
        """The rates of what was read and written."""
        return encoding_rates(self.coded, self.trial, submitted.read, submitted.written, submitted.valid)

    @property
    def basis(self) -> Float[Tensor, "k d_model"]:
        """Orthonormal directions of the dimensions of the code."""
        centred = self.points - self.points.mean(0)
        basis: Tensor = torch.linalg.svd(centred, full_matrices=False)[2][: self.plan.code.dimensions]
        return basis

    def source(self, basis: Float[Tensor, "k d_model"] | None = None) -> str:
        """The code as an agent could have submitted it.

        Args:
            basis: Directions in place of those of the code, for answers that are wrong.
        """
        points = self.points @ self.basis.T
        basis = self.basis if basis is None else basis
        states = self.plan.code.states
        targets = [
            [self.plan.state_at(value, companion, rest) for value in range(self.plan.plan.values)]
            for _, companion, rest in states
        ]

        def plain(rows: Tensor) -> list[list[float]]:
            return [[round(x, 5) for x in row] for row in rows.tolist()]

        return _SOURCE.format(
            basis=plain(basis),
            points=plain(points),
            values=[value for value, _, _ in states],
            targets=targets,
        )
