"""The task ``neurons/syntax``: which neurons tell that the current, or the previous, token is of one category?"""

from __future__ import annotations

from typing import Any

from ground_truth.neurons.planted.task import PlantedNeuronTask
from ground_truth.neurons.planted.truth import Draw


class SyntaxNeurons(PlantedNeuronTask):
    """Find the neurons of a grammatical category."""

    name = "syntax"
    summary = "Find the neurons that tell the grammatical category of the current or the previous token."
    with_tags = True

    def described(self, draw: Draw) -> dict[str, Any]:
        """``place`` (current or previous) and ``category``, one of the tag names."""
        place, _, category = draw.names[0].partition(" ")
        return {"place": place, "category": category}
