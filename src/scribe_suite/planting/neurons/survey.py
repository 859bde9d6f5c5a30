"""Statistics of features on a large sample of the language, before any model is trained: shares and correlations."""

from __future__ import annotations

from functools import cache, lru_cache

import torch
from jaxtyping import Float
from torch import Tensor

from scribe_suite.planting.english import TaggedText, sample_text, vocabulary
from scribe_suite.planting.neurons.features import Feature, Response

_SEED = 7
_ROWS = 2000
#: How many responses are cached, of half a megabyte each.
_KEPT = 600
#: Tokens per text, here and for every model.
CONTEXT = 64


class Survey:
    """A sample of the language; the latest responses are cached, since the same ones are needed repeatedly."""

    def __init__(self, text: TaggedText) -> None:
        self.text = text
        self.token_shares: Float[Tensor, " token"] = (
            torch.bincount(text.tokens.flatten(), minlength=len(vocabulary())).double() / text.tokens.numel()
        )
        self._standardised = lru_cache(_KEPT)(self._standardise)

    def values(self, feature: Feature) -> Float[Tensor, " n"]:
        """Its values at all positions of the sample."""
        return feature.values(self.text).flatten()

    def share(self, feature: Feature) -> float:
        """The mean of its values: for a binary feature, how often it holds."""
        return float(self.values(feature).mean())

    def explained(self, response: Response, feature: Feature) -> float:
        """Squared correlation of a feature with a response, with the sign of the correlation."""
        a = self._standardised(response)
        f = self._standardised(Response(((feature, 1.0),)))
        correlation = max(-1.0, min(1.0, float(a @ f)))
        return correlation * abs(correlation)

    def _standardise(self, response: Response) -> Float[Tensor, " n"]:
        """The response with mean 0 and norm 1, or all 0 where it never changes."""
        values = response.on(self.text).flatten()
        values = values - values.mean()
        standardised: Tensor = values / values.norm().clamp_min(1e-12)
        return standardised


@cache
def survey() -> Survey:
    """The one sample that all plans are drawn on."""
    return Survey(sample_text(_SEED, _ROWS, CONTEXT))
