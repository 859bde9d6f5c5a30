"""The score of theories without combinations: a list of tokens, with a number for each, for one place."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor

from scribe_suite.planting.english import vocabulary
from scribe_suite.planting.neurons.correlation import weighted_correlation

#: Weight, as a share of all, by which a token's mean shrinks to the overall mean: rare tokens give little evidence.
_SHRINKAGE = 1e-4
#: Shares of the largest number from which a token is on a plain list.
_CUTS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.7)


@dataclass(frozen=True)
class Judged:
    """Texts, and the correct predictions of a theory of a neuron.

    Attributes:
        tokens: Texts.
        activations: The correct values, texts concatenated.
        weights: The weight of each position.
    """

    tokens: Int[Tensor, "batch pos"]
    activations: Float[np.ndarray, " position"]
    weights: Float[np.ndarray, " position"]

    def at(self, place: int) -> Int[np.ndarray, " position"]:
        """The token `place` places earlier; arbitrary before the start of a text."""
        found: Int[np.ndarray, " position"] = np.roll(self.tokens.numpy().reshape(-1), place)
        return found


def best_list(fit: Judged, judged: Judged, reach: int) -> float:
    """The highest correlation of any token list, for the current token or one of the `reach` before it.

    Args:
        fit: The text from which lists are made.
        judged: Other text, on which they are judged.
        reach: Largest number of tokens back.
    """
    size = len(vocabulary())
    return max(
        weighted_correlation(table[judged.at(place)], judged.activations, judged.weights)
        for place in range(reach + 1)
        for table in _tables(fit.at(place), fit.activations, fit.weights, size)
    )


def _tables(
    tokens: NDArray[np.int64], activations: NDArray[np.float64], weights: NDArray[np.float64], size: int
) -> Iterator[NDArray[np.float64]]:
    share = weights / weights.sum()
    mean = float(share @ activations)
    seen = np.bincount(tokens, share, size)
    table = (np.bincount(tokens, share * activations, size) + _SHRINKAGE * mean) / (seen + _SHRINKAGE)
    yield table
    low, high = float(table.min()), float(table.max())
    for cut in _CUTS:
        yield (table > low + cut * (high - low)).astype(float)
