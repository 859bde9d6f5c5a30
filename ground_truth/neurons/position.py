"""Which neurons follow the position in the text, in a given shape?"""

from __future__ import annotations

import re
from typing import Any

from ground_truth.neurons.planted.base import Draw
from ground_truth.neurons.planted.levels import laboratory
from ground_truth.neurons.planted.task import PlantedNeuronTask
from scribe_suite.planting.neurons.positions import SHAPES


class PositionNeurons(PlantedNeuronTask):
    """Find the neurons whose activation is a given function of the position."""

    name = "position"
    kind = SHAPES
    summary = "Find the neurons that rise or fall with the position in the text, or fire in one range of positions."
    laboratory = laboratory({2: 60, 3: 36, 4: 24})
    laboratory_solution = "position_lab"

    def public_question(self, draw: Draw) -> dict[str, Any]:
        """``shape`` (rising, falling or band) and, for a band, its ``first`` and ``last`` position."""
        name = draw.names[0]
        band = re.fullmatch(r"band (\d+)-(\d+)", name)
        return {"shape": "band", "first": int(band[1]), "last": int(band[2])} if band else {"shape": name}
