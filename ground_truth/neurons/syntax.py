"""Which neurons show that the current, or the previous, token is of one grammatical category?"""

from __future__ import annotations

from typing import Any

from ground_truth.neurons.planted.base import Draw
from ground_truth.neurons.planted.levels import laboratory
from ground_truth.neurons.planted.task import PlantedNeuronTask
from scribe_suite.planting.neurons.categories import CATEGORIES


class SyntaxNeurons(PlantedNeuronTask):
    """Find the neurons of a grammatical category."""

    name = "syntax"
    kind = CATEGORIES
    summary = "Find the neurons that tell the grammatical category of the current or the previous token."
    laboratory = laboratory({2: 60, 3: 45, 4: 24})
    laboratory_solution = "syntax_lab"
    with_tags = True

    def public_question(self, draw: Draw) -> dict[str, Any]:
        """``place`` (current or previous) and ``category``, one of the tag names."""
        place, _, category = draw.names[0].partition(" ")
        return {"place": place, "category": category}
