"""Which neurons are active, or silent, at exactly position 1, the first after the document mark?"""

from __future__ import annotations

from typing import Any

from ground_truth.neurons.planted.base import Draw
from ground_truth.neurons.planted.levels import laboratory
from ground_truth.neurons.planted.task import PlantedNeuronTask
from scribe_suite.planting.neurons.positions import FIRST_POSITION


class FirstPositionNeurons(PlantedNeuronTask):
    """Find the neurons that single out position 1."""

    name = "position_1"
    kind = FIRST_POSITION
    summary = "Find the neurons that are active at exactly position 1, or silent there and nowhere else."
    laboratory = laboratory({2: 60, 3: 45, 4: 30})
    laboratory_solution = "position_1_lab"

    def public_question(self, draw: Draw) -> dict[str, Any]:
        """``behaviour``: active or silent."""
        return {"behaviour": draw.names[0]}
