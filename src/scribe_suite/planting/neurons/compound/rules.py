"""Rules of compound neurons: alternatives, each a conjunction of conditions on the current and earlier tokens.

Conditions are about the last few tokens, how many of them are of a kind, or whether one occurred anywhere before. A
rule has a value at every position of a text, to which the neuron's activation is proportional. It also defines near
misses: positions where exactly one condition of an alternative fails and no alternative holds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

#: The places of a condition about all of the text so far, the current token included.
ANYWHERE: tuple[int, ...] = ()


@dataclass(frozen=True)
class Condition:
    """The condition that tokens of a set occur at some places often enough, or that they don't.

    Attributes:
        name: The common property of the tokens, in words.
        tokens: Their ids; the mark that begins a text is never included.
        places: How many tokens before the current one: ``(0,)`` is the current one, ``(1, 2, 3)`` one of the last
            three. A place before the text has none of the tokens. `ANYWHERE` is all of the text so far.
        negated: Whether the condition holds where fewer of the tokens occur there.
        least: At how many of the places a token of the set must occur.
    """

    name: str
    tokens: frozenset[int]
    places: tuple[int, ...]
    negated: bool = False
    least: int = 1

    def holds(self, tokens: Int[Tensor, "batch pos"], size: int) -> Bool[Tensor, "batch pos"]:
        """The positions where it holds, in texts of a vocabulary of `size`."""
        enough: Bool[Tensor, "batch pos"] = self.counted(tokens, size) >= self.least
        return ~enough if self.negated else enough

    def nearly(self, counts: Int[Tensor, "batch pos"]) -> Bool[Tensor, "batch pos"]:
        """The positions where it fails, but by no more than one token if it asks for several.

        Args:
            counts: See `counted`.
        """
        return counts >= self.least if self.negated else counts == self.least - 1

    def counted(self, tokens: Int[Tensor, "batch pos"], size: int) -> Int[Tensor, "batch pos"]:
        """At how many of its places a token of the set occurs."""
        table = torch.zeros(size, dtype=torch.int16)
        table[list(self.tokens)] = 1
        member = table[tokens]
        if self.places == ANYWHERE:
            return member.cumsum(1, dtype=torch.int16)
        return sum((shifted(member, place) for place in self.places), torch.zeros_like(member))


@dataclass(frozen=True)
class Alternative:
    """Conditions that hold together.

    Attributes:
        conditions: All of them are needed.
        strength: The rule's value where they hold, 0 to 1.
    """

    conditions: tuple[Condition, ...]
    strength: float = 1.0


@dataclass(frozen=True)
class Strata:
    """The positions of a text, classified by a rule.

    Attributes:
        fires: The first alternative that holds, counted from 0; -1 where none does.
        near: By condition, counted over all alternatives from 0: the first that alone is missing, by one token if it
            asks for several; -1 where the rule holds, or where more is missing.
    """

    fires: Int[Tensor, "batch pos"]
    near: Int[Tensor, "batch pos"]


@dataclass(frozen=True)
class Rule:
    """The rule that a neuron follows.

    Attributes:
        alternatives: Their values add up where several hold.
    """

    alternatives: tuple[Alternative, ...]

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """The conditions of all alternatives, in order."""
        return tuple(condition for one in self.alternatives for condition in one.conditions)

    def values(self, tokens: Int[Tensor, "batch pos"], size: int) -> Float[Tensor, "batch pos"]:
        """The rule's value at every position.

        Args:
            tokens: Texts.
            size: The vocabulary's size.
        """
        total = torch.zeros(tokens.shape)
        for one in self.alternatives:
            total += one.strength * torch.stack([each.holds(tokens, size) for each in one.conditions]).all(0)
        return total

    def strata(self, tokens: Int[Tensor, "batch pos"], size: int) -> Strata:
        """Classify positions by whether it holds or nearly holds; see `Strata`."""
        fires, near = torch.full_like(tokens, -1), torch.full_like(tokens, -1)
        first = 0
        for number, one in enumerate(self.alternatives):
            counts = [each.counted(tokens, size) for each in one.conditions]
            fails = [(count >= each.least) == each.negated for each, count in zip(one.conditions, counts, strict=True)]
            failing = torch.stack(fails).sum(0, dtype=torch.int8)
            fires[(failing == 0) & (fires < 0)] = number
            alone = (failing == 1) & (near < 0)
            for at, (each, count) in enumerate(zip(one.conditions, counts, strict=True), first):
                near[alone & fails[at - first] & each.nearly(count)] = at
            first += len(one.conditions)
        near[fires >= 0] = -1
        return Strata(fires, near)

    def described(self) -> str:
        """The rule in words, for records and the evaluator's notes."""
        return " or ".join(
            f"{one.strength:g} * ({' and '.join(_described(each) for each in one.conditions)})"
            for one in self.alternatives
        )


def shifted(values: Int[Tensor, "batch pos"], places: int) -> Int[Tensor, "batch pos"]:
    """The values `places` tokens earlier; 0 before the text."""
    if not places:
        return values
    return torch.cat([torch.zeros_like(values[:, :places]), values[:, :-places]], dim=1)


def _described(condition: Condition) -> str:
    if condition.places == ANYWHERE:
        where = "so far"
    else:
        where = "at " + " or ".join(f"-{place}" if place else "0" for place in condition.places)
    number = f"{condition.least} times " if condition.least > 1 else ""
    return f"{'no ' if condition.negated else ''}{number}{condition.name} {where}"


def without(rule: Rule, dropped: int) -> Rule:
    """The rule without one condition; an alternative without conditions is dropped.

    Args:
        rule: The whole rule.
        dropped: Number of the condition, counted over all alternatives.
    """
    kept: list[Alternative] = []
    first = 0
    for one in rule.alternatives:
        rest: Sequence[Condition] = [each for at, each in enumerate(one.conditions, first) if at != dropped]
        first += len(one.conditions)
        if rest:
            kept.append(Alternative(tuple(rest), one.strength))
    return Rule(tuple(kept))
