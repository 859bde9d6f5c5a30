"""The hidden side of an instance of ``variables/algorithm``: the tree, and pairs on which claims are tested."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean

import torch
from jaxtyping import Int
from torch import Tensor

from scribe_suite.planting.hooked import ModelWeights
from scribe_suite.planting.variables.plans import draw_prompts
from scribe_suite.planting.variables.sum_exchange import HeadExchange
from scribe_suite.planting.variables.sums import SumPlan
from scribe_suite.scoring.carriers import exchange_rate

#: Number of hidden pairs.
HIDDEN_PAIRS = 400


@dataclass(frozen=True)
class Hidden:
    """The hidden data of an instance, in the instance's own names and basis.

    Attributes:
        plan: The plan that the model implements.
        weights: The model's weights.
        seed: Seed of the pairs.
    """

    plan: SumPlan
    weights: ModelWeights
    seed: int

    @property
    def truth(self) -> dict[tuple[int, ...], tuple[str, ...]]:
        """Positions of each sum on which labels depend -> the heads that carry it."""
        return {self.plan.positions(of): self.plan.heads(of) for of in self.plan.used}

    @cached_property
    def pairs(self) -> tuple[Int[Tensor, "pair position"], Int[Tensor, "pair position"]]:
        """Hidden base and source prompts."""
        generator = torch.Generator().manual_seed(self.seed)
        d_vocab = len(self.plan.classes)
        return draw_prompts(HIDDEN_PAIRS, d_vocab, generator), draw_prompts(HIDDEN_PAIRS, d_vocab, generator)

    def exchange(self, claimed: Mapping[tuple[int, ...], Collection[str]]) -> float:
        """The mean effect of exchanging the claimed heads, as far as it is that of exchanging the claimed sum."""
        if not claimed:
            return 0.0
        base, source = self.pairs
        exchange, plain = HeadExchange(self.weights, base, source), self.plan.expected(base)
        rates = []
        for positions, heads in claimed.items():
            slots = tuple(self.plan.slots.index(position) for position in positions)
            wanted = self.plan.expected(base, source, slots)
            right, changes = exchange.labels(heads) == wanted, wanted != plain
            rates.append(exchange_rate(right[changes].float().mean().item(), right[~changes].float().mean().item()))
        return fmean(rates)
