"""The task ``neurons/position_real``: which neurons of a real language model follow the place in the text most?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ground_truth.neurons.real.properties import Property, band
from ground_truth.neurons.real.task import MeasuredTextTask


class PositionReal(MeasuredTextTask):
    """Find the neurons whose activation is most clearly a given function of the position."""

    name = "position_real"
    property_task = "position"
    summary = "In a real language model, find the neurons that follow the position, or fire in one range of positions."

    def described(self, asked: Sequence[Property]) -> dict[str, Any]:
        """``shape`` (rising, falling or band) and, for a band, its ``first`` and ``last`` position."""
        ends = band(asked[0].name)
        return {"shape": asked[0].name} if ends is None else {"shape": "band", "first": ends[0], "last": ends[1]}
