"""The task ``neurons/unigram``: which neurons fire on one given word, in all its case and space variants?"""

from __future__ import annotations

from typing import Any

from ground_truth.neurons.planted.task import PlantedNeuronTask
from ground_truth.neurons.planted.truth import Draw
from scribe_suite.planting.english import vocabulary


class UnigramNeurons(PlantedNeuronTask):
    """Find the neurons that fire on a given word."""

    name = "unigram"
    summary = "Find the neurons of a language model that fire on one given word."

    def described(self, draw: Draw) -> dict[str, Any]:
        """The word, lower case."""
        return {"word": draw.names[0]}

    def facts(self, draw: Draw) -> dict[str, Any]:
        """The tokens that are the word."""
        return {"variants": sorted(vocabulary().strings[token] for token in vocabulary().variants(draw.names[0]))}
