"""Prompts that meet a condition, nearly meet it, or don't."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Int
from torch import Tensor

from scribe_suite.planting.circuits.branches.conditions import PARTS, START, Condition, Pair, Placement
from scribe_suite.planting.circuits.branches.plans import N_CTX

#: Kinds of near misses of a condition: one part is missing; the order of two parts or of the pairs is different; a
#: distance is different.
NEAR = (*(f"without {part}" for part in PARTS), "order", "distance")
_ATTEMPTS = 1000

Rows = Int[Tensor, "prompt position"]


@dataclass(frozen=True)
class Drawing:
    """The source of random prompts.

    Attributes:
        d_vocab: Number of tokens.
        rng: Draws all random choices.
        start: The token that every prompt starts with.
    """

    d_vocab: int
    rng: random.Random
    start: int = START

    def token(self) -> int:
        """Any token except the start."""
        drawn = self.rng.randrange(self.d_vocab - 1)
        return drawn + (drawn >= self.start)

    def row(self) -> list[int]:
        """An ordinary prompt."""
        return [self.start, *(self.token() for _ in range(N_CTX - 1))]


def that_meet(condition: Condition, placements: Sequence[Placement], drawing: Drawing) -> Rows:
    """Random prompts that meet a condition, one at each of the placements."""
    return torch.tensor([_met(condition, placement, drawing) for placement in placements])


def that_miss(condition: Condition, kind: str, placements: Sequence[Placement], drawing: Drawing) -> Rows:
    """Random near misses of a condition, each made from a prompt that meets it at one of the placements.

    Args:
        condition: The condition that they don't meet.
        kind: One of `NEAR`.
        placements: The placements before the change.
        drawing: The source of random prompts.

    Raises:
        ValueError: When there is no near miss of this kind.
    """
    change = _CHANGES.get(kind, _without)
    rows = torch.zeros(len(placements), N_CTX, dtype=torch.long)
    left = list(range(len(placements)))
    for _ in range(_ATTEMPTS):
        made = {row: change(condition, kind, placements[row], drawing) for row in left}
        there = [row for row, tokens in made.items() if tokens is not None]
        if there:
            rows[there] = torch.tensor([made[row] for row in there])
            missed = [row for row, met in zip(there, condition.holds(rows[there]).tolist(), strict=True) if not met]
            left = sorted({*left} - {*missed})
        if not left:
            return rows
    raise ValueError(f"no prompt misses the condition in kind {kind!r}")


def chosen(condition: Condition, count: int, rng: random.Random) -> list[Placement]:
    """Random placements."""
    return rng.choices(condition.placements(N_CTX), k=count)


def _met(condition: Condition, placement: Placement, drawing: Drawing) -> list[int]:
    row = drawing.row()
    for place, tokens in zip(placement, condition.tokens.values(), strict=True):
        row[place] = drawing.rng.choice([token for token in tokens if token < drawing.d_vocab])
    return row


Changed = list[int] | None


def _without(condition: Condition, kind: str, placement: Placement, drawing: Drawing) -> Changed:
    row = _met(condition, placement, drawing)
    row[placement[PARTS.index(kind.removeprefix("without "))]] = drawing.token()
    return row


def _order(condition: Condition, _kind: str, placement: Placement, drawing: Drawing) -> Changed:
    """Swap the tokens of one pair, or the pairs."""
    earlier, later, gap = condition.earlier, condition.later, condition.gap
    others = (
        Condition(_turned(earlier), later, gap),
        Condition(earlier, _turned(later), gap),
        Condition(later, earlier, gap),
    )
    return _elsewhere(drawing.rng.choice(others), placement, drawing)


def _distance(condition: Condition, _kind: str, placement: Placement, drawing: Drawing) -> Changed:
    """Change the distance of a pair, or the gap."""
    rng = drawing.rng
    which, step = rng.randrange(3 if condition.gap else 2), rng.choice((1, -1, 2, -2, 3, -3))
    earlier, later, gap = condition.earlier, condition.later, condition.gap
    if which == 0:
        earlier = replace(earlier, distance=earlier.distance + step)
    elif which == 1:
        later = replace(later, distance=later.distance + step)
    else:
        gap += step
    if min(earlier.distance, later.distance) < 1 or (which == 2 and gap < 1):
        return None
    return _elsewhere(Condition(earlier, later, gap), placement, drawing)


_CHANGES: dict[str, Callable[..., Changed]] = {"order": _order, "distance": _distance}


def _turned(pair: Pair) -> Pair:
    return Pair(pair.last, pair.first, pair.distance)


def _elsewhere(other: Condition, placement: Placement, drawing: Drawing) -> Changed:
    """A prompt that meets another condition whose last part is at the same position, if there is one."""
    possible = other.placements(N_CTX)
    there = [place for place in possible if place[3] == placement[3]] or possible
    return _met(other, drawing.rng.choice(there), drawing) if there else None
