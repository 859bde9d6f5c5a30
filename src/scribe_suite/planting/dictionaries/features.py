"""The features of a hidden sparse model: their directions, how often each occurs, and with which others.

As in SynthSAEBench (sae_lens/synthetic, MIT; written anew here), features occur in families: some only together with a
parent, some never together with others of their group, and some have a twin with a similar direction.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float, Int

#: Features of a group, of which at most one occurs in a sample.
GROUP = 4
#: The most that a feature occurs, and that a child occurs where its parent does, as shares of samples.
MOST_OFTEN, MOST_WITH_PARENT = 0.25, 0.6
#: How far a contribution turns at most, in radians.
FARTHEST_TURN = 1.0
_QUADRATURE = 80


@dataclass(frozen=True)
class Dial:
    """The settings of a hidden sparse model.

    Attributes:
        width: Numbers of a sample.
        features: How many features there are.
        active: Features of a sample on average, before those are left out that children and groups exclude.
        noise: Standard deviation of the Gaussian noise on each number.
        samples: Number of samples.
        skew: Exponent of the power law that how often features occur follows.
        twins: Share of features that have a twin.
        likeness: Cosine of the directions of twins.
        children: Share of features that occur only with their parent.
        grouped: Share of features in groups.
        spread: Standard deviation of the logarithm of a magnitude; its mean is 1.
        turn: Radians that a contribution turns for each unit of magnitude above 1.
    """

    width: int
    features: int
    active: float
    noise: float
    samples: int
    skew: float = 0.3
    twins: float = 0.1
    likeness: float = 0.75
    children: float = 0.15
    grouped: float = 0.16
    spread: float = 0.3
    turn: float = 0.0

    def turns(self, magnitudes: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
        """How far contributions of these magnitudes turn, in radians."""
        return np.clip(self.turn * (magnitudes - 1.0), -FARTHEST_TURN, FARTHEST_TURN)

    def magnitudes(self, normal: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
        """Magnitudes made of standard normal numbers: a log-normal distribution of mean 1."""
        return np.exp(self.spread * normal - self.spread**2 / 2)

    @property
    def mean_contribution(self) -> tuple[float, float]:
        """The mean contribution of a feature, along its direction at magnitude 1 and along that to which it turns."""
        nodes, weights = np.polynomial.hermite_e.hermegauss(_QUADRATURE)
        magnitudes = self.magnitudes(nodes)
        angles, shares = self.turns(magnitudes), weights / weights.sum()
        return float(shares @ (magnitudes * np.cos(angles))), float(shares @ (magnitudes * np.sin(angles)))


@dataclass(frozen=True)
class Features:
    """The features of one model.

    Attributes:
        dial: The settings.
        straight: Direction of each at magnitude 1, of unit length.
        turned: Direction to which each turns with its magnitude: of unit length, orthogonal to `straight`.
        rates: How often each occurs; of a child, before its parent is looked at.
        parents: Index of each one's parent, or -1.
        groups: Group of each, or -1.
    """

    dial: Dial
    straight: Float[np.ndarray, "feature width"]
    turned: Float[np.ndarray, "feature width"]
    rates: Float[np.ndarray, " feature"]
    parents: Int[np.ndarray, " feature"]
    groups: Int[np.ndarray, " feature"]

    @cached_property
    def directions(self) -> Float[np.ndarray, "feature width"]:
        """The directions of the mean contributions, of unit length: what is asked for."""
        along, across = self.dial.mean_contribution
        return unit_rows(along * self.straight + across * self.turned)


def draw_features(dial: Dial, rng: np.random.Generator) -> Features:
    """Draw the features of a model."""
    number = dial.features
    straight = unit_rows(rng.standard_normal((number, dial.width)))
    order = rng.permutation(number)
    pairs = order[: 2 * int(dial.twins * number / 2)].reshape(-1, 2)
    first, second = pairs.T
    aside = _orthogonal(rng.standard_normal((len(pairs), dial.width)), straight[first])
    straight[second] = dial.likeness * straight[first] + np.sqrt(1 - dial.likeness**2) * aside
    turned = _orthogonal(rng.standard_normal((number, dial.width)), straight)

    rates = (1.0 + rng.permutation(number)) ** -dial.skew
    rates = np.minimum(rates * dial.active / rates.sum(), MOST_OFTEN)

    order = rng.permutation(number)
    children, rest = np.split(order, [int(dial.children * number)])
    grouped, single = np.split(rest, [GROUP * int(dial.grouped * number / GROUP)])
    parents, groups = np.full(number, -1), np.full(number, -1)
    groups[grouped] = np.arange(len(grouped)) // GROUP
    often = single[np.argsort(-rates[single])][: max(1, len(single) // 2)]
    parents[children] = rng.choice(often, len(children))
    return Features(dial, straight, turned, rates, parents, groups)


def unit_rows(rows: Float[np.ndarray, "row width"]) -> Float[np.ndarray, "row width"]:
    """Rows of length 1."""
    units: Float[np.ndarray, "row width"] = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return units


def _orthogonal(
    rows: Float[np.ndarray, "row width"], directions: Float[np.ndarray, "row width"]
) -> Float[np.ndarray, "row width"]:
    """The part of each row that is orthogonal to its direction, of unit length."""
    return unit_rows(rows - (rows * directions).sum(1, keepdims=True) * directions)
