"""The task ``neurons/unigram_real``: which neurons of a real language model follow one word most?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ground_truth.neurons.real.properties import Property, variants
from ground_truth.neurons.real.task import MeasuredTextTask
from ground_truth.neurons.real.tokens import vocabulary


class UnigramReal(MeasuredTextTask):
    """Find the neurons of a word."""

    name = "unigram_real"
    property_task = "unigram"
    summary = "In a real language model, find the neurons that fire most clearly on one word, in all its variants."

    def described(self, asked: Sequence[Property]) -> dict[str, Any]:
        """``word`` and ``variants``: the strings of its tokens."""
        strings = vocabulary(self.model)
        word = asked[0].name
        return {"word": word, "variants": [strings[token] for token in sorted(variants(word, strings))]}
