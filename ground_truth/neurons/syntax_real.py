"""Which neurons of a real language model follow a part of speech most?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ground_truth.neurons.real.properties import CATEGORIES
from ground_truth.neurons.real.task import MeasuredTextTask
from ground_truth.neurons.real.tokens import TAG_MEANINGS


class SyntaxReal(MeasuredTextTask):
    """Find the neurons of a part of speech."""

    name = "syntax_real"
    headroom_levels = (4,)
    laboratory_solution = "syntax_real_lab"
    kind = CATEGORIES
    with_tags = True
    summary = "In a real language model, find the neurons that fire most clearly on, or after, tokens of a given tag."

    def public_question(self, names: Sequence[str]) -> dict[str, Any]:
        """``place`` (current or previous), ``category`` and its ``meaning``."""
        place, tag = names[0].split(" ")
        return {"place": place, "category": tag, "meaning": TAG_MEANINGS[tag]}
