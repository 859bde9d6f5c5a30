"""Conditions on prompts: two pairs of tokens at fixed distances, one pair before the other.

A condition requires any token of a class. No prompt meets a condition with a class whose members are not tokens of the
model, or one that requires two different tokens at one place.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any, Self

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from scribe_suite.planting.symmetries import Symmetry

#: Position of the token that every prompt starts with, which is not part of any condition.
START = 0
#: Names of the four parts of a condition.
PARTS = ("earlier.first", "earlier.last", "later.first", "later.last")

#: Positions of the parts of a condition, one for each of `PARTS`.
Placement = tuple[int, int, int, int]


@dataclass(frozen=True)
class Pair:
    """Two tokens at a fixed distance; the position of the second is the pair's end.

    Attributes:
        first: The class of the token `distance` places before the end.
        last: The class of the token at the end.
        distance: Difference of their positions, at least 1.
    """

    first: tuple[int, ...]
    last: tuple[int, ...]
    distance: int

    def ends(self, prompts: Int[Tensor, "prompt position"]) -> Bool[Tensor, "prompt position"]:
        """The positions where the pair ends in each prompt."""
        found = torch.isin(prompts, torch.tensor(self.last))
        before = torch.isin(prompts, torch.tensor(self.first))[:, : -self.distance]
        found[:, self.distance :] &= before
        found[:, : self.distance] = False
        return found

    def renamed(self, symmetry: Symmetry) -> Pair:
        """The pair with the names after a symmetry; numbers that are not tokens stay."""
        known = len(symmetry.token_map)

        def rename(tokens: tuple[int, ...]) -> tuple[int, ...]:
            return tuple(symmetry.token_map[token] if token < known else token for token in tokens)

        return Pair(rename(self.first), rename(self.last), self.distance)


@dataclass(frozen=True)
class Condition:
    """The condition that one pair of tokens ends before another.

    Attributes:
        earlier: The pair that ends first.
        later: The other one.
        gap: Difference of the positions of their ends; 0 for any difference.
    """

    earlier: Pair
    later: Pair
    gap: int

    @property
    def tokens(self) -> Mapping[str, tuple[int, ...]]:
        """Part -> the required tokens."""
        return dict(zip(PARTS, (self.earlier.first, self.earlier.last, self.later.first, self.later.last), strict=True))

    def holds(self, prompts: Int[Tensor, "prompt position"]) -> Bool[Tensor, " prompt"]:
        """Which prompts meet it."""
        earlier, later = self.earlier.ends(prompts), self.later.ends(prompts)
        before = torch.zeros_like(earlier)
        if self.gap:
            before[:, self.gap :] = earlier[:, : -self.gap]
        else:
            before[:, 1:] = earlier.cumsum(1)[:, :-1] > 0
        return (before & later).any(1)

    def places(self, n_ctx: int) -> Iterator[Placement]:
        """The possible placements of its parts in a prompt, as if one place could hold several tokens."""
        yield from _places(self.earlier.distance, self.later.distance, self.gap, n_ctx)

    def placements(self, n_ctx: int) -> list[Placement]:
        """The placements of its parts, without those that require two tokens at one place."""
        return _placements(self.earlier.distance, self.later.distance, self.gap, n_ctx)

    def is_met(self, n_ctx: int, d_vocab: int) -> bool:
        """Whether any prompt meets it."""
        real = all(any(token < d_vocab for token in tokens) for tokens in self.tokens.values())
        return real and bool(self.placements(n_ctx))

    def probability(self, n_ctx: int, d_vocab: int) -> float:
        """A close estimate of the probability that a random prompt meets it: the sum over placements."""
        each = math.prod(sum(token < d_vocab for token in tokens) / d_vocab for tokens in self.tokens.values())
        return each * len(self.placements(n_ctx))

    def renamed(self, symmetry: Symmetry) -> Condition:
        """The condition with the names after a symmetry."""
        return Condition(self.earlier.renamed(symmetry), self.later.renamed(symmetry), self.gap)

    def as_record(self) -> dict[str, Any]:
        """The condition as JSON-safe data."""
        return asdict(self)

    @classmethod
    def of_record(cls, record: Mapping[str, Any]) -> Self:
        """The inverse of `as_record`, also after a round trip through JSON."""
        return cls(_pair(record["earlier"]), _pair(record["later"]), record["gap"])


def _pair(record: Mapping[str, Any]) -> Pair:
    return Pair(tuple(record["first"]), tuple(record["last"]), record["distance"])


def _places(near: int, far: int, asked: int, n_ctx: int) -> Iterator[Placement]:
    for end in range(n_ctx):
        for gap in (asked,) if asked else range(1, end):
            place = (end - gap - near, end - gap, end - far, end)
            if min(place) > START:
                yield place


@cache
def _placements(near: int, far: int, gap: int, n_ctx: int) -> list[Placement]:
    return [place for place in _places(near, far, gap, n_ctx) if len(set(place)) == len(place)]


def source_of(condition: Condition, label: int) -> str:
    """Python code of ``predict(prompt)``, which calls ``ordinary(prompt)`` where the condition does not hold."""
    earlier, later = condition.earlier, condition.later
    near = f"one == end - {condition.gap}" if condition.gap else "one < end"
    return (
        "def ends(prompt, first, last, distance):\n"
        f"    return [end for end in range({START + 1} + distance, len(prompt))\n"
        "            if prompt[end] in last and prompt[end - distance] in first]\n"
        "\n\n"
        "def predict(prompt):\n"
        f"    earlier = ends(prompt, {_shown(earlier.first)}, {_shown(earlier.last)}, {earlier.distance})\n"
        f"    later = ends(prompt, {_shown(later.first)}, {_shown(later.last)}, {later.distance})\n"
        f"    if any({near} for one in earlier for end in later):\n"
        f"        return {label}\n"
        "    return ordinary(prompt)\n"
    )


def _shown(tokens: tuple[int, ...]) -> str:
    """Tokens as source code: a collection, or a range where they are all numbers from 0 on."""
    return f"range({len(tokens)})" if tokens == tuple(range(len(tokens))) else str(set(tokens))
