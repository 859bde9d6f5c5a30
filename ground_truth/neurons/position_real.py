"""Which neurons of a real language model follow the position in the text most closely?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ground_truth.neurons.real.levels import BUDGETS_OF_WHOLE_TEXTS, granted
from ground_truth.neurons.real.properties import SHAPES, band
from ground_truth.neurons.real.task import MeasuredTextTask


class PositionReal(MeasuredTextTask):
    """Find the neurons whose activation is most clearly a given function of the position."""

    name = "position_real"
    laboratory = granted(BUDGETS_OF_WHOLE_TEXTS)
    laboratory_solution = "position_real_lab"
    kind = SHAPES
    summary = "In a real language model, find the neurons that follow the position, or fire in one range of positions."

    def public_question(self, names: Sequence[str]) -> dict[str, Any]:
        """``shape`` (rising, falling or band) and, for a band, its ``first`` and ``last`` position."""
        ends = band(names[0])
        return {"shape": names[0]} if ends is None else {"shape": "band", "first": ends[0], "last": ends[1]}
