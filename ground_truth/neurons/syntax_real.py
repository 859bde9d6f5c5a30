"""The task ``neurons/syntax_real``: which neurons of a real language model follow a part of speech most?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ground_truth.neurons.real.properties import Property
from ground_truth.neurons.real.task import MeasuredTextTask
from ground_truth.neurons.real.tokens import TAG_MEANINGS


class SyntaxReal(MeasuredTextTask):
    """Find the neurons of a part of speech."""

    name = "syntax_real"
    property_task = "syntax"
    with_tags = True
    summary = "In a real language model, find the neurons that fire most clearly on, or after, tokens of a given tag."

    def described(self, asked: Sequence[Property]) -> dict[str, Any]:
        """``place`` (current or previous), ``category`` and its ``meaning``."""
        place, tag = asked[0].name.split(" ")
        return {"place": place, "category": tag, "meaning": TAG_MEANINGS[tag]}
