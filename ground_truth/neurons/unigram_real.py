"""Which neurons of a real language model follow one word most?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ground_truth.neurons.real.properties import WORDS, variants
from ground_truth.neurons.real.task import MeasuredTextTask
from ground_truth.neurons.real.tokens import vocabulary


class UnigramReal(MeasuredTextTask):
    """Find the neurons of a word."""

    name = "unigram_real"
    laboratory_solution = "unigram_real_lab"
    kind = WORDS
    summary = "In a real language model, find the neurons that fire most clearly on one word, in all its variants."

    def public_question(self, names: Sequence[str]) -> dict[str, Any]:
        """``word`` and ``variants``: the strings of its tokens."""
        strings = vocabulary(self.model)
        word = names[0]
        return {"word": word, "variants": [strings[token] for token in sorted(variants(word, strings))]}
