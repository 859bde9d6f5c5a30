"""Rules of compound neurons: alternatives, each a conjunction of conditions on the current and earlier tokens.

A rule has a value at every position of a text, to which the neuron's activation is proportional. It also defines near
misses: positions where exactly one condition of an alternative fails and no alternative holds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


@dataclass(frozen=True)
class Condition:
    """The condition that any token of a set occurs at any of some places, or that none does.

    Attributes:
        name: The common property of the tokens, in words.
        tokens: Their ids; the mark that begins a text is never included.
        places: How many tokens before the current one: ``(0,)`` is the current one, ``(1, 2, 3)`` one of the last
            three. A place before the text has none of the tokens.
        negated: Whether the condition holds where none of the tokens occurs there.
    """

    name: str
    tokens: frozenset[int]
    places: tuple[int, ...]
    negated: bool = False

    def holds(self, tokens: Int[Tensor, "batch pos"], size: int) -> Bool[Tensor, "batch pos"]:
        """The positions where it holds, in texts of a vocabulary of `size`."""
        table = torch.zeros(size, dtype=torch.bool)
        table[list(self.tokens)] = True
        member = table[tokens]
        found = torch.zeros_like(member)
        for place in self.places:
            found |= shifted(member, place)
        return ~found if self.negated else found


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
        near: By condition, counted over all alternatives from 0: the first that alone is missing; -1 where the rule
            holds, or where more than one condition is missing.
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
            fails = ~torch.stack([each.holds(tokens, size) for each in one.conditions])
            failing = fails.sum(0)
            fires[(failing == 0) & (fires < 0)] = number
            alone = (failing == 1) & (near < 0)
            near[alone] = (fails.int().argmax(0) + first)[alone]
            first += len(one.conditions)
        near[fires >= 0] = -1
        return Strata(fires, near)

    def described(self) -> str:
        """The rule in words, for records and the evaluator's notes."""
        return " or ".join(
            f"{one.strength:g} * ({' and '.join(_described(each) for each in one.conditions)})"
            for one in self.alternatives
        )


def shifted(values: Bool[Tensor, "batch pos"], places: int) -> Bool[Tensor, "batch pos"]:
    """The values `places` tokens earlier; false before the text."""
    if not places:
        return values
    return torch.cat([torch.zeros_like(values[:, :places]), values[:, :-places]], dim=1)


def _described(condition: Condition) -> str:
    where = " or ".join(f"-{place}" if place else "0" for place in condition.places)
    return f"{'no ' if condition.negated else ''}{condition.name} at {where}"


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
