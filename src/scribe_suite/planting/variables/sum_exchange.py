"""Exchanges of heads between prompts: the labels when some heads put out what they put out on other prompts."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from jaxtyping import Int
from torch import Tensor

from scribe_suite.planting.circuits.patchable import Patch, PatchableTransformer
from scribe_suite.planting.hooked import ModelWeights


class HeadExchange:
    """Base prompts that run with heads' outputs from source prompts.

    Args:
        weights: The model.
        base: Base prompts.
        source: Source prompts, as many.
    """

    @torch.no_grad()
    def __init__(
        self,
        weights: ModelWeights,
        base: Int[Tensor, "pair position"],
        source: Int[Tensor, "pair position"],
    ) -> None:
        self._net = PatchableTransformer.from_weights(weights)
        self._base = base
        self._there = self._net(source)[1]

    @torch.no_grad()
    def labels(self, heads: Iterable[str]) -> Int[Tensor, " pair"]:
        """The labels of the base prompts with these heads' outputs, at all positions, from the source prompts."""
        mask = self._net.shape.mask(heads).expand(len(self._base), -1, -1)
        return self._net(self._base, Patch(mask, self._there))[0][:, -1].argmax(-1)
