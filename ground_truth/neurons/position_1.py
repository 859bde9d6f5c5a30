"""The task ``neurons/position_1``: which neurons are active, or silent, at exactly position 1?"""

from __future__ import annotations

from typing import Any

from ground_truth.neurons.planted.task import PlantedNeuronTask
from ground_truth.neurons.planted.truth import Draw


class FirstPositionNeurons(PlantedNeuronTask):
    """Find the neurons that single out position 1."""

    name = "position_1"
    summary = "Find the neurons that are active at exactly position 1, or silent there and nowhere else."

    def described(self, draw: Draw) -> dict[str, Any]:
        """``behaviour``: active or silent."""
        return {"behaviour": draw.names[0]}
