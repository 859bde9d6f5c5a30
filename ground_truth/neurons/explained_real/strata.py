"""The strata of positions for a neuron of a real model (fires, nearly fires, other), and the weight of each position.

No rule defines the strata. A neuron *fires* where its activation is above a threshold that 2 % of the positions of the
public text exceed. It *nearly fires* at other positions whose current token is one on which it fires elsewhere in the
same texts. Each stratum has a third of the weight; within the second, every token has the same weight as in the first,
so that the current token alone does not distinguish the two.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import NDArray

from scribe_suite.scoring.explanation import ELSEWHERE, FIRES, NEAR

#: Share of the public positions at which a neuron fires.
FIRING_SHARE = 0.02
#: Places of token lists: the current token, or the one this many places before it.
REACH = 3
#: Shrinkage of a token's mean to the overall mean, as a share of all weight: rare tokens are weak evidence.
_SHRINKAGE = 1e-4


@dataclass(frozen=True)
class Readings:
    """The activations of one neuron on texts.

    Attributes:
        tokens: Texts, each with a start token.
        activations: Activations, multiplied by the neuron's sign, so that it fires in the upper tail.
    """

    tokens: Int[np.ndarray, "text position"]
    activations: Float[np.ndarray, "text position"]

    def some(self, rows: NDArray[np.int64]) -> Readings:
        """The same for some of the texts."""
        return Readings(self.tokens[rows], self.activations[rows])

    def before(self, place: int) -> Int[np.ndarray, "text position"]:
        """The token this many places earlier; the start token where there is none."""
        first = np.repeat(self.tokens[:, :1], place, axis=1)
        return np.concatenate([first, self.tokens[:, : self.tokens.shape[1] - place]], axis=1)


@dataclass(frozen=True)
class TokenList:
    """A number for every token, at one place: a theory without any combination.

    Attributes:
        place: Distance in tokens to the left.
        numbers: Predicted activation by token id.
    """

    place: int
    numbers: Float[np.ndarray, " token"]

    def values(self, readings: Readings) -> Float[np.ndarray, "text position"]:
        """The predictions of the list."""
        found: Float[np.ndarray, "text position"] = self.numbers[readings.before(self.place)]
        return found


def sign_of(activations: Float[np.ndarray, "*shape neuron"]) -> Float[np.ndarray, " neuron"]:
    """1 for neurons whose longer tail is the upper one, else -1; position 0 must be left out."""
    flat = activations.reshape(-1, activations.shape[-1]).astype(np.float32)
    centred = flat - flat.mean(0)
    return np.where((centred**3).mean(0) >= 0, 1.0, -1.0)


def threshold_of(readings: Readings) -> float:
    """The activation above which the neuron fires."""
    return float(np.quantile(readings.activations[:, 1:], 1 - FIRING_SHARE))


def strata_of(readings: Readings, threshold: float) -> Int[np.ndarray, "text position"]:
    """The stratum of every position; -1 at position 0, which has no weight."""
    found = np.where(readings.activations > threshold, FIRES, ELSEWHERE)
    found[:, 0] = -1
    fired = np.unique(readings.tokens[found == FIRES])
    found[(found == ELSEWHERE) & np.isin(readings.tokens, fired)] = NEAR
    return found


def weights_of(
    tokens: Int[np.ndarray, "text position"], strata: Int[np.ndarray, "text position"]
) -> Float[np.ndarray, "text position"]:
    """Weights that sum to 1, equal for all strata that occur; see the module."""
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
    """The mean activation of every token at a place, shrunk towards the overall mean.

    Args:
        readings: The activations to fit.
        weights: Weight of every position.
        place: See `TokenList`.
        size: Size of the vocabulary.
    """
    tokens, activations = readings.before(place).reshape(-1), readings.activations.reshape(-1)
    share = weights.reshape(-1) / weights.sum()
    mean = float(share @ activations)
    seen = np.bincount(tokens, share, size)
    sums = np.bincount(tokens, share * activations, size)
    return TokenList(place, (sums + _SHRINKAGE * mean) / (seen + _SHRINKAGE))
