"""Features of text (a word, a first letter, a grammatical category, a place), and the responses of neurons to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from scribe_suite.planting.english import TaggedText


@dataclass(frozen=True)
class Feature:
    """A number between 0 and 1 for every position of a text: `profile` where all conditions hold, 0 elsewhere.

    A condition that is None always holds; one about the token before never holds at the first position.

    Attributes:
        name: Its name in keys and certificates.
        tokens: Ids that the token must be one of.
        tags: Tags that it must have one of.
        previous_tokens: Ids that the token before must be one of.
        previous_tags: Tags that the token before must have one of.
        profile: The value at every position from 0 on; None is 1 everywhere.
    """

    name: str
    tokens: frozenset[int] | None = None
    tags: frozenset[int] | None = None
    previous_tokens: frozenset[int] | None = None
    previous_tags: frozenset[int] | None = None
    profile: tuple[float, ...] | None = None

    def values(self, text: TaggedText) -> Float[Tensor, "batch pos"]:
        """Its value everywhere.

        Raises:
            ValueError: When the text is longer than the profile.
        """
        holds = torch.ones_like(text.tokens, dtype=torch.bool)
        for ids, found in ((self.tokens, text.tokens), (self.tags, text.tags)):
            if ids is not None:
                holds &= _member(found, ids)
        for ids, found in ((self.previous_tokens, text.tokens), (self.previous_tags, text.tags)):
            if ids is not None:
                holds &= _shifted(_member(found, ids))
        if self.profile is None:
            return holds.float()
        length = text.tokens.shape[1]
        if length > len(self.profile):
            raise ValueError(f"the feature {self.name!r} has {len(self.profile)} positions, the text {length}")
        return holds * torch.tensor(self.profile[:length])


@dataclass(frozen=True)
class Response:
    """A neuron's response: a weighted sum of features, scaled to the neuron's strength.

    Attributes:
        parts: Features and their weights; the first is what the neuron is for.
        silent: The neuron is active where the sum is 0, and silent where it is 1.
    """

    parts: tuple[tuple[Feature, float], ...]
    silent: bool = False

    def values(self, parts: Sequence[Float[Tensor, "..."]]) -> Float[Tensor, "..."]:
        """The response, 0 to about 1, from the values of its features in their order."""
        total = torch.stack([weight * values for (_, weight), values in zip(self.parts, parts, strict=True)]).sum(0)
        return (1 - total).clamp_min(0.0) if self.silent else total

    def on(self, text: TaggedText) -> Float[Tensor, "batch pos"]:
        """The response to a text."""
        return self.values([feature.values(text) for feature, _ in self.parts])


def feature_matrix(features: Sequence[Feature], text: TaggedText) -> Float[Tensor, "batch*pos feature"]:
    """Values of all features, the positions of all texts one below the other."""
    return torch.stack([feature.values(text).flatten() for feature in features], dim=1)


def _member(found: Int[Tensor, "batch pos"], ids: frozenset[int]) -> Bool[Tensor, "batch pos"]:
    # a table is much faster than torch.isin: plans and training ask this thousands of times
    table = torch.zeros(max(int(found.max()), max(ids, default=0)) + 1, dtype=torch.bool)
    table[list(ids)] = True
    return table[found]


def _shifted(holds: Bool[Tensor, "batch pos"]) -> Bool[Tensor, "batch pos"]:
    return torch.cat([torch.zeros_like(holds[:, :1]), holds[:, :-1]], dim=1)
