"""The hidden side of an instance about a property in a real language model."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from ground_truth.variables.real.windows import Window
from scribe_suite.models.evaluator import evaluator_model
from scribe_suite.scoring.crossed_prompts import CrossedPrompts, Exchanges, Spot
from scribe_suite.scoring.real_subspace import Parts, measured_parts


@dataclass(frozen=True)
class Hidden:
    """The evaluator's data.

    Attributes:
        spec: Specification of the model.
        window: The question.
        null: Whether nothing was found to beat the control there.
        best: Where the best subspace is that was measured.
        directions: The directions of that subspace, as columns.
        measured: The score of that subspace, a mean over other hidden prompts.
        prompts: Prompts that no agent sees.
    """

    spec: str
    window: Window
    null: bool
    best: Spot
    directions: Float[Tensor, "d_model k"]
    measured: float
    prompts: CrossedPrompts

    def parts(self, *claims: tuple[Spot, Float[Tensor, "d_model k"] | None]) -> list[Parts]:
        """The effects of exchanges on the hidden prompts, which run once for all of them.

        Args:
            claims: Where, and directions as columns; None for everything.
        """
        layers = sorted({spot.layer for spot, _ in claims})
        exchanges = Exchanges(
            evaluator_model(self.spec),
            self.prompts,
            self.window.position,
            layers,
            sorted({spot.site for spot, _ in claims}),
        )
        return [measured_parts(exchanges, self.window.asked, spot, directions) for spot, directions in claims]
