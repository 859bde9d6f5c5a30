"""Which neurons fire on one given word, in all its case and space variants?"""

from __future__ import annotations

from typing import Any

from ground_truth.neurons.planted.base import Draw
from ground_truth.neurons.planted.levels import laboratory
from ground_truth.neurons.planted.task import PlantedNeuronTask
from scribe_suite.planting.english import vocabulary
from scribe_suite.planting.neurons.words import WORDS


class UnigramNeurons(PlantedNeuronTask):
    """Find the neurons that fire on a given word."""

    name = "unigram"
    kind = WORDS
    summary = "Find the neurons of a language model that fire on one given word."
    laboratory = laboratory({2: 80, 3: 72, 4: 36})
    laboratory_solution = "unigram_lab"

    def public_question(self, draw: Draw) -> dict[str, Any]:
        """The word, lower case."""
        return {"word": draw.names[0]}

    def further_facts(self, draw: Draw) -> dict[str, Any]:
        """The tokens that are the word."""
        return {"variants": sorted(vocabulary().strings[token] for token in vocabulary().variants(draw.names[0]))}
