"""The plan of a model with a rare branch: its ordinary behaviour, and conditions of which at most one has an effect.

A model computes several conditions, some of which no prompt meets. The output of a condition is written either into the
logits (the condition is "heard") or where nothing reads it. In a model with a branch, one condition that can be met is
heard. In its null twin, no heard condition can be met. Apart from these outputs, both are drawn alike, so that no
single part distinguishes them.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import torch
from jaxtyping import Int
from torch import Tensor

from scribe_suite.planting.circuits.branches.conditions import START, Condition, Pair

N_LABELS = 6
N_CTX = 16
#: Most places from the first token of a pair to the last.
LARGEST_DISTANCE = 5
_LARGEST_GAP = 6
#: Bounds of the place of the token that determines the ordinary label, counted back from the last one.
_SMALLEST_BACK, _LARGEST_BACK = 2, 9
#: Least number of places at which a condition can be met.
_FEWEST_PLACEMENTS = 4


@dataclass(frozen=True)
class Dial:
    """The requirements for a random plan.

    Attributes:
        d_vocab: Number of tokens, including the one that all prompts start with.
        conditions: Number of computed conditions; half of them can't be met.
        heard: Number of conditions that are written into the logits.
        class_sizes: The possible sizes of a condition's classes of tokens; each part draws one.
        before: Number of conditions that require only an order of the pairs, not a distance.
        rarity: Largest probability of any condition in a prompt of random tokens.
        most_choices: Largest product of the class sizes of one condition.
    """

    d_vocab: int
    conditions: int
    heard: int
    before: int
    rarity: float
    class_sizes: tuple[int, ...] = (1,)
    most_choices: int = 1


@dataclass(frozen=True)
class Plan:
    """The computation of a model.

    Attributes:
        d_vocab: Number of tokens.
        n_phantoms: Count of the numbers from `d_vocab` on, which conditions require although no token has them.
        classes: The label of each token; the start's has no meaning.
        back: The ordinary label is that of the token this many places before the last.
        conditions: The computed conditions.
        labels: For each condition the label that it is written into, or None if nothing reads it.
    """

    d_vocab: int
    n_phantoms: int
    classes: tuple[int, ...]
    back: int
    conditions: tuple[Condition, ...]
    labels: tuple[int | None, ...]

    @property
    def branch(self) -> int | None:
        """Number of the condition that can be met and is heard; None in a null twin."""
        return next((i for i in self.heard if self.conditions[i].is_met(N_CTX, self.d_vocab)), None)

    @property
    def heard(self) -> list[int]:
        """Numbers of the conditions that are written into the logits."""
        return [i for i, label in enumerate(self.labels) if label is not None]

    @property
    def exception(self) -> tuple[Condition, int] | None:
        """The condition that changes the prediction, and the label that is then predicted."""
        if self.branch is None:
            return None
        label = self.labels[self.branch]
        assert label is not None
        return self.conditions[self.branch], label

    def ordinary(self, prompts: Int[Tensor, "prompt position"]) -> Int[Tensor, " prompt"]:
        """The labels without the exception."""
        return torch.tensor(self.classes)[prompts[:, -1 - self.back]]

    def expected(self, prompts: Int[Tensor, "prompt position"]) -> Int[Tensor, " prompt"]:
        """The labels, including the exception."""
        labels = self.ordinary(prompts)
        if self.exception is not None:
            condition, label = self.exception
            labels[condition.holds(prompts)] = label
        return labels

    def as_record(self) -> dict[str, Any]:
        """The plan as JSON-safe data."""
        return {
            "d_vocab": self.d_vocab,
            "n_phantoms": self.n_phantoms,
            "classes": "".join(map(str, self.classes)),
            "back": self.back,
            "conditions": [condition.as_record() for condition in self.conditions],
            "labels": list(self.labels),
        }

    @classmethod
    def of_record(cls, record: Mapping[str, Any]) -> Self:
        """The inverse of `as_record`."""
        return cls(
            d_vocab=record["d_vocab"],
            n_phantoms=record["n_phantoms"],
            classes=tuple(map(int, record["classes"])),
            back=record["back"],
            conditions=tuple(map(Condition.of_record, record["conditions"])),
            labels=tuple(record["labels"]),
        )


def draw_prompts(
    count: int, d_vocab: int, generator: torch.Generator, start: int = START
) -> Int[Tensor, "prompt position"]:
    """Ordinary prompts: the token `start`, then random other tokens."""
    prompts = torch.randint(d_vocab - 1, (count, N_CTX), generator=generator)
    prompts += prompts >= start
    prompts[:, 0] = start
    return prompts


def draw_plan(dial: Dial, seed: int, *, is_twin: bool) -> Plan:
    """Draw a random plan; deterministic for a seed.

    Args:
        dial: The requirements.
        seed: The seed of all draws. With one seed, a model and its twin differ only in which conditions are heard.
        is_twin: Whether none of the conditions that can be met is heard.
    """
    rng = random.Random(seed)
    words = _Words(dial, rng)
    met = [i < (dial.conditions + 1) // 2 for i in range(dial.conditions)]
    loose = set(rng.sample(range(dial.conditions), dial.before))
    conditions = [_condition(dial, words, rng, is_met=met[i], is_loose=i in loose) for i in range(dial.conditions)]
    can, cannot = ([i for i, one in enumerate(met) if one == wanted] for wanted in (True, False))
    first, others = rng.choice(can), rng.sample(cannot, dial.heard)
    heard = {*others} if is_twin else {first, *others[1:]}
    exceptions = [rng.randrange(N_LABELS) for _ in conditions]
    order = rng.sample(range(dial.conditions), dial.conditions)
    classes = [i % N_LABELS for i in range(dial.d_vocab)]
    rng.shuffle(classes)
    return Plan(
        d_vocab=dial.d_vocab,
        n_phantoms=words.phantoms,
        classes=tuple(classes),
        back=rng.randint(_SMALLEST_BACK, _LARGEST_BACK),
        conditions=tuple(conditions[i] for i in order),
        labels=tuple(exceptions[i] if i in heard else None for i in order),
    )


class _Words:
    """Tokens that no other part requires, and numbers that no token has."""

    def __init__(self, dial: Dial, rng: random.Random) -> None:
        self._left = rng.sample(range(START + 1, dial.d_vocab), dial.d_vocab - 1 - START)
        self._d_vocab = dial.d_vocab
        self.phantoms = 0

    def take(self, count: int) -> tuple[int, ...]:
        """Unused tokens."""
        return tuple(sorted(self._left.pop() for _ in range(count)))

    def invent(self, count: int) -> tuple[int, ...]:
        """Numbers that no token has."""
        first = self._d_vocab + self.phantoms
        self.phantoms += count
        return tuple(range(first, first + count))


def _condition(dial: Dial, words: _Words, rng: random.Random, *, is_met: bool, is_loose: bool) -> Condition:
    sizes = _sizes(dial, rng)
    # conditions that can't be met: one part is not a token, or two tokens are required at one place
    missing = None if is_met or (not is_loose and rng.random() < 0.5) else rng.randrange(len(sizes))
    tokens = [words.invent(size) if part == missing else words.take(size) for part, size in enumerate(sizes)]
    while True:
        near, far = (rng.randint(1, LARGEST_DISTANCE) for _ in range(2))
        gap = 0 if is_loose else rng.randint(1, _LARGEST_GAP)
        condition = Condition(Pair(tokens[0], tokens[1], near), Pair(tokens[2], tokens[3], far), gap)
        placed = condition.placements(N_CTX)
        if not is_met and missing is None:
            if not placed and sum(1 for _ in condition.places(N_CTX)) >= _FEWEST_PLACEMENTS:
                return condition
        elif len(placed) >= _FEWEST_PLACEMENTS and condition.probability(N_CTX, dial.d_vocab) <= dial.rarity:
            return condition


def _sizes(dial: Dial, rng: random.Random) -> Sequence[int]:
    while True:
        sizes = [rng.choice(dial.class_sizes) for _ in range(4)]
        product = 1
        for size in sizes:
            product *= size
        if product == dial.most_choices:
            return sizes
