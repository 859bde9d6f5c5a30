"""The weight of each position of a text when a theory of a neuron is judged.

Positions where the neuron fires, where it nearly does, and all others have a third of the weight each. Within the first
stratum, all alternatives of the rule have equal weight, and within the second all conditions, however rare they are.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import NDArray

from scribe_suite.planting.neurons.compound.rules import Strata

#: Names of the strata, in the order of their numbers.
STRATA = ("fires", "near", "elsewhere")


def stratum_of(strata: Strata) -> Int[np.ndarray, " position"]:
    """The number of each position's stratum, texts concatenated; -1 at position 0, which does not count."""
    found = np.full(tuple(strata.fires.shape), 2)
    found[strata.near.numpy() >= 0] = 1
    found[strata.fires.numpy() >= 0] = 0
    found[:, 0] = -1
    flat: Int[np.ndarray, " position"] = found.reshape(-1)
    return flat


def position_weights(strata: Strata) -> Float[np.ndarray, " position"]:
    """Weights that sum to 1, as in the module's docstring; the third of an empty stratum goes to the others."""
    number = stratum_of(strata)
    parts = (strata.fires.numpy().reshape(-1), strata.near.numpy().reshape(-1), np.zeros_like(number))
    weights = np.zeros(len(number))
    for one, part in enumerate(parts):
        weights += _even(np.where(number == one, part, -1))
    shares: Float[np.ndarray, " position"] = weights / weights.sum()
    return shares


def _even(part: NDArray[np.int64]) -> NDArray[np.float64]:
    """Weights that sum to 1, in which all numbers from 0 on have equal weight; -1 is left out."""
    counts = np.bincount(part[part >= 0], minlength=1)
    each = np.divide(1.0, counts, out=np.zeros(len(counts)), where=counts > 0)
    weights = np.where(part >= 0, each[np.maximum(part, 0)], 0.0)
    return weights / max(1, int((counts > 0).sum()))
