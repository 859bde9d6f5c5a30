"""Where a neuron of a real model fires, where it nearly does, and how much each position counts.

There is no rule to say so. A neuron *fires* where its activation is above a threshold that 2 % of the positions of the
public text exceed. It *nearly fires* where it does not although the current token is one on which it does elsewhere in
the same texts. The strata count a third each; within the second, every token counts as much as it does in the first, so
that the current token alone does not tell the two apart.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import NDArray

from scribe_suite.scoring.explanation import ELSEWHERE, FIRES, NEAR

#: Share of the public positions at which a neuron fires.
FIRING_SHARE = 0.02
#: A list is for the current token, or for the one so many places before it.
REACH = 3
#: Share of all weight by which a token's mean is drawn to the mean of all: what was hardly seen says little.
_SHRINKAGE = 1e-4


@dataclass(frozen=True)
class Readings:
    """What one neuron does on texts.

    Attributes:
        tokens: Texts, start token in front.
        activations: Multiplied with the neuron's sign, so that the tail in which it fires is above.
    """

    tokens: Int[np.ndarray, "text position"]
    activations: Float[np.ndarray, "text position"]

    def some(self, rows: NDArray[np.int64]) -> Readings:
        """The same for some of the texts."""
        return Readings(self.tokens[rows], self.activations[rows])

    def before(self, place: int) -> Int[np.ndarray, "text position"]:
        """The token so many places earlier; the start token where there is none."""
        first = np.repeat(self.tokens[:, :1], place, axis=1)
        return np.concatenate([first, self.tokens[:, : self.tokens.shape[1] - place]], axis=1)


@dataclass(frozen=True)
class TokenList:
    """A number for every token, at one place: a theory without any combination.

    Attributes:
        place: How many tokens earlier.
        numbers: By token id.
    """

    place: int
    numbers: Float[np.ndarray, " token"]

    def values(self, readings: Readings) -> Float[np.ndarray, "text position"]:
        """What it predicts."""
        found: Float[np.ndarray, "text position"] = self.numbers[readings.before(self.place)]
        return found


def sign_of(activations: Float[np.ndarray, "*shape neuron"]) -> Float[np.ndarray, " neuron"]:
    """1 where the longer tail of a neuron is above, -1 where it is below; position 0 must be left out."""
    flat = activations.reshape(-1, activations.shape[-1]).astype(np.float32)
    centred = flat - flat.mean(0)
    return np.where((centred**3).mean(0) >= 0, 1.0, -1.0)


def threshold_of(readings: Readings) -> float:
    """Above it the neuron fires."""
    return float(np.quantile(readings.activations[:, 1:], 1 - FIRING_SHARE))


def strata_of(readings: Readings, threshold: float) -> Int[np.ndarray, "text position"]:
    """The stratum of every position; -1 at position 0, which does not count."""
    found = np.where(readings.activations > threshold, FIRES, ELSEWHERE)
    found[:, 0] = -1
    fired = np.unique(readings.tokens[found == FIRES])
    found[(found == ELSEWHERE) & np.isin(readings.tokens, fired)] = NEAR
    return found


def weights_of(
    tokens: Int[np.ndarray, "text position"], strata: Int[np.ndarray, "text position"]
) -> Float[np.ndarray, "text position"]:
    """Weights with the sum 1, a third for each stratum that there is; see the module."""
    size = int(tokens.max()) + 1
    fires, near = (np.bincount(tokens[strata == one], minlength=size) for one in (FIRES, NEAR))
    weights = np.zeros(strata.shape)
    each = np.divide(fires, near, out=np.zeros(size), where=near > 0)
    weights[strata == NEAR] = each[tokens[strata == NEAR]]
    weights[(strata == FIRES) | (strata == ELSEWHERE)] = 1.0
    for one in (FIRES, NEAR, ELSEWHERE):
        weights[strata == one] /= max(float(weights[strata == one].sum()), 1e-300)
    shares: Float[np.ndarray, "text position"] = weights / weights.sum()
    return shares


def fitted_list(readings: Readings, weights: Float[np.ndarray, "text position"], place: int, size: int) -> TokenList:
    """The mean activation of every token at a place, drawn a little towards the mean of all.

    Args:
        readings: What it is made from.
        weights: How much each position counts.
        place: See `TokenList`.
        size: Of the vocabulary.
    """
    tokens, activations = readings.before(place).reshape(-1), readings.activations.reshape(-1)
    share = weights.reshape(-1) / weights.sum()
    mean = float(share @ activations)
    seen = np.bincount(tokens, share, size)
    sums = np.bincount(tokens, share * activations, size)
    return TokenList(place, (sums + _SHRINKAGE * mean) / (seen + _SHRINKAGE))
