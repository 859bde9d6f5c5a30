"""Comparisons of numbers: every pair of some numbers is public, near pairs of the others are held out.

Held-out pairs are near in rank, so that the size of one number alone, which predicts three quarters of all comparisons,
predicts them hardly better than a coin.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any, ClassVar

import torch

from ground_truth.probes.planted.names import opaque_names
from ground_truth.probes.planted.split import Split, labelled, shuffled
from scribe_suite.planting.statements.language import draw_manner
from scribe_suite.planting.statements.numbers import N_NUMBERS, NumbersWorld, ordered_pairs

#: Numbers that occur in public statements.
PUBLIC_NUMBERS = 36
#: Held-out numbers are paired when their ranks among the held-out ones differ by at most this much.
NEAR = 6


class Comparisons:
    """Mixin for the tasks about one relation of two numbers.

    Attributes:
        relation: ``greater`` or ``smaller``.
    """

    models: ClassVar[str] = "numbers"
    relation: ClassVar[str]

    def world(self, seed: int) -> NumbersWorld:
        """See `PlantedProbeTask.world`."""
        return NumbersWorld(seed)

    def draw_split(self, seed: int) -> Split:
        """See `PlantedProbeTask.draw_split`.

        Public: every ordered pair of public numbers once, in a random manner. Held out: near pairs of the other
        numbers, in both orders and with both endings, the two orders always in the same manner.
        """
        world = NumbersWorld(0)  # colours make no statements
        generator = torch.Generator().manual_seed(seed)
        order = torch.randperm(N_NUMBERS, generator=generator).tolist()
        first, second = ordered_pairs(order[:PUBLIC_NUMBERS])
        public = world.statements(self.relation, first, second, *draw_manner(len(first), generator))
        pair = torch.minimum(first, second) * N_NUMBERS + torch.maximum(first, second)
        public, groups, _ = shuffled(public, pair, generator)

        hidden = torch.tensor(sorted(order[PUBLIC_NUMBERS:]))
        places = torch.combinations(torch.arange(len(hidden)))
        low, high = hidden[places[places[:, 1] - places[:, 0] <= NEAR]].T
        contrary = torch.tensor([False, True]).repeat_interleave(len(low))
        _, address = draw_manner(2 * len(low), generator)
        low, high = low.repeat(2), high.repeat(2)
        held_out = world.statements(
            self.relation, torch.cat([low, high]), torch.cat([high, low]), contrary.repeat(2), address.repeat(2)
        )
        return Split(labelled(public, groups), labelled(held_out, (low * N_NUMBERS + high).repeat(2)))

    def strings(self, words: Sequence[str], rng: random.Random) -> list[str]:
        """See `PlantedProbeTask.strings`: numbers under opaque names."""
        first = NumbersWorld.first_number
        return [*words[:first], *opaque_names(len(words) - first, rng)]

    def further_facts(self, split: Split, vocabulary: Sequence[str]) -> dict[str, Any]:  # noqa: ARG002
        """See `PlantedProbeTask.further_facts`."""
        return {"n_numbers": N_NUMBERS, "n_public_numbers": PUBLIC_NUMBERS}
