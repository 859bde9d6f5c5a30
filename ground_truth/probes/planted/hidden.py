"""The hidden side of an instance with a planted truth."""

from __future__ import annotations

from dataclasses import dataclass

from ground_truth.probes.planted.split import Split
from scribe_suite.planting.hooked import ModelWeights
from scribe_suite.scoring.probes import LabelledStatements


@dataclass(frozen=True)
class Hidden:
    """The evaluator's data.

    Attributes:
        weights: The instance's model.
        split: Both sides of the split, in the instance's token ids.
        reference_accuracy: The accuracy of the reference recipe, on the held-out side.
        control_accuracy: The mean accuracy of the same recipe on a few untrained twins.
    """

    weights: ModelWeights
    split: Split
    reference_accuracy: float
    control_accuracy: float

    @property
    def held_out(self) -> LabelledStatements:
        """The statements that answers are judged on."""
        return self.split.held_out
