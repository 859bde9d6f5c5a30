"""The latents that change a model's output most when they are zeroed together, found exactly.

Groups of latents add to the output independently of each other (see `plans`), so the effect of a set is the sum over
groups of the effect of the part of the set that is in the group. All parts of all groups are zeroed and measured, and
the best set follows by dynamic programming over groups. So does the mean over all sets of a size.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import comb

import torch
from jaxtyping import Int
from torch import Tensor

from scribe_suite.planting.saes.ablation import Ablations
from scribe_suite.planting.saes.network import SparseModel
from scribe_suite.planting.saes.plans import MOST_MEMBERS, Group

_PATTERNS = [pattern for pattern in itertools.product((0, 1), repeat=MOST_MEMBERS) if any(pattern)]


@dataclass(frozen=True)
class GroupEffects:
    """What zeroing latents does, for all sets of latents.

    Attributes:
        n_latents: The number of latents.
        groups: For each group, part -> its effect; the effect of nothing is 0 and is not listed.
    """

    n_latents: int
    groups: Sequence[Mapping[frozenset[int], float]]

    @cached_property
    def _members(self) -> list[frozenset[int]]:
        return [frozenset().union(*group) for group in self.groups]

    def effect(self, zeroed: Collection[int]) -> float:
        """The effect of a set, as the sum over groups."""
        some = frozenset(zeroed)
        parts = ((group, some & members) for group, members in zip(self.groups, self._members, strict=True))
        return sum(group[part] for group, part in parts if part)

    def best(self, count: int) -> tuple[list[int], float]:
        """The best set of at most so many latents, and its effect."""
        reached: dict[int, tuple[float, frozenset[int]]] = {0: (0.0, frozenset())}
        for group in self.groups:
            added = dict(reached)
            for (used, (effect, some)), (part, more) in itertools.product(reached.items(), group.items()):
                total = used + len(part)
                if total <= count and effect + more > added.get(total, (-1.0, some))[0]:
                    added[total] = (effect + more, some | part)
            reached = added
        effect, some = max(reached.values(), key=lambda one: one[0])
        return sorted(some), effect

    def mean(self, count: int) -> float:
        """The mean effect of all sets of so many latents."""
        total = comb(self.n_latents, count)
        return sum(
            effect * comb(self.n_latents - len(members), count - len(part)) / total
            for group, members in zip(self.groups, self._members, strict=True)
            for part, effect in group.items()
            if len(part) <= count
        )


@torch.no_grad()
def measure_groups(model: SparseModel, ablations: Ablations, tokens: Int[Tensor, "prompt position"]) -> GroupEffects:
    """Measure the effects of all parts of all groups, by zeroing them.

    One pass zeroes a part of every group: each group changes one number of the output alone, or shares it with groups
    whose gates are closed then.

    Args:
        model: The model.
        ablations: The same on the prompts.
        tokens: The prompts.
    """
    groups = model.plan.groups
    found: list[dict[frozenset[int], float]] = [{} for _ in groups]
    is_open = [model.plan.is_open(group, tokens) for group in groups]
    for pattern in _PATTERNS:
        parts = [_part(group, pattern) for group in groups]
        changes = ablations.changes([member for part in parts for member in part]).double()
        squared = (changes @ model.outputs.T.double()).square()
        for number, (group, part) in enumerate(zip(groups, parts, strict=True)):
            if part:
                found[number][part] = float((squared[:, group.output] * is_open[number]).mean())
    return GroupEffects(model.sae.n_latents, found)


def _part(group: Group, pattern: tuple[int, ...]) -> frozenset[int]:
    return frozenset(itertools.compress(group.members, pattern))
