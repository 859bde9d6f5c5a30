"""Samples of a hidden sparse model: sums of the contributions of few features, and noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy.sparse import csr_matrix

from scribe_suite.planting.dictionaries.features import MOST_WITH_PARENT, Features, unit_rows

#: Weight of the ridge of least squares on true magnitudes: features that hardly occur stay finite.
_RIDGE = 1e-3


@dataclass(frozen=True)
class Samples:
    """Samples, and what each is made of.

    Attributes:
        activations: The samples.
        magnitudes: Magnitude of each feature in each sample.
    """

    activations: Float[np.ndarray, "sample width"]
    magnitudes: csr_matrix

    def least_squares(self) -> Float[np.ndarray, "feature width"]:
        """The directions that least squares on the true magnitudes finds: no method without them can know more."""
        counts = (self.magnitudes.T @ self.magnitudes).toarray()
        counts[np.diag_indices_from(counts)] += _RIDGE
        found = np.linalg.solve(counts, self.magnitudes.T @ self.activations.astype(np.float64))
        return unit_rows(found + 1e-12)


def draw_samples(features: Features, rng: np.random.Generator) -> Samples:
    """Draw the samples of a model: float32 numbers.

    A sample is the sum over its features of m (cos t straight + sin t turned), with the magnitude m and its turn t, and
    of Gaussian noise.
    """
    dial = features.dial
    where = _occurrences(features, rng)
    rows = np.concatenate(where)
    columns = np.repeat(np.arange(dial.features), [len(found) for found in where])
    magnitudes = dial.magnitudes(rng.standard_normal(len(rows)))
    angles, shape = dial.turns(magnitudes), (dial.samples, dial.features)
    activations = csr_matrix((magnitudes * np.cos(angles), (rows, columns)), shape) @ features.straight
    if dial.turn:
        activations += csr_matrix((magnitudes * np.sin(angles), (rows, columns)), shape) @ features.turned
    noise = rng.standard_normal(activations.shape, dtype=np.float32)
    return Samples(
        activations.astype(np.float32) + np.float32(dial.noise) * noise,
        csr_matrix((magnitudes, (rows, columns)), shape),
    )


def _occurrences(features: Features, rng: np.random.Generator) -> list[Int[np.ndarray, " n"]]:
    """The samples in which each feature occurs."""
    number, rates = features.dial.samples, features.rates
    where: list[Int[np.ndarray, " n"]] = [np.empty(0, dtype=np.int64)] * len(rates)
    for index in np.flatnonzero((features.parents < 0) & (features.groups < 0)):
        where[index] = rng.choice(number, rng.binomial(number, rates[index]), replace=False)
    for group in range(features.groups.max(initial=-1) + 1):
        members = np.flatnonzero(features.groups == group)
        some = rng.choice(number, rng.binomial(number, min(rates[members].sum(), 1.0)), replace=False)
        parts = rng.multinomial(len(some), rates[members] / rates[members].sum())
        for index, part in zip(members, np.split(some, np.cumsum(parts)[:-1]), strict=True):
            where[index] = part
    for index in np.flatnonzero(features.parents >= 0):
        parent = features.parents[index]
        share = min(rates[index] / rates[parent], MOST_WITH_PARENT)
        where[index] = where[parent][rng.random(len(where[parent])) < share]
    return where
