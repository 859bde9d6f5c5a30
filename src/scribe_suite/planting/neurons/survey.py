"""What a large sample of the language says about features before any model is trained: shares and correlations."""

from __future__ import annotations

from functools import cache

import torch
from jaxtyping import Float
from torch import Tensor

from scribe_suite.planting.english import TaggedText, sample_text, vocabulary
from scribe_suite.planting.neurons.features import Feature

_SEED = 7
_ROWS = 3000
CONTEXT = 64
"""Tokens per text, here and for every model."""


class Survey:
    """A sample of the language; values of features are kept, since the same ones are asked for again and again."""

    def __init__(self, text: TaggedText) -> None:
        self.text = text
        self.token_shares: Float[Tensor, " token"] = (
            torch.bincount(text.tokens.flatten(), minlength=len(vocabulary())).double() / text.tokens.numel()
        )
        self._values: dict[Feature, Float[Tensor, " n"]] = {}

    def values(self, feature: Feature) -> Float[Tensor, " n"]:
        """Its values at all positions of the sample."""
        if feature not in self._values:
            self._values[feature] = feature.values(self.text).flatten()
        return self._values[feature]

    def share(self, feature: Feature) -> float:
        """The mean of its values: for a binary feature, how often it holds."""
        return float(self.values(feature).mean())

    def explained(self, response: Float[Tensor, " n"], feature: Feature) -> float:
        """Squared correlation of a feature with what a neuron would do, with the sign of the correlation."""
        a = response - response.mean()
        f = self.values(feature)
        f = f - f.mean()
        scale = float(a.square().sum() * f.square().sum())
        covariance = float(a @ f)
        return covariance * abs(covariance) / scale if scale > 0 else 0.0


@cache
def survey() -> Survey:
    """The one sample that all plans are drawn on."""
    return Survey(sample_text(_SEED, _ROWS, CONTEXT))
