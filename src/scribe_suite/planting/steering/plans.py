"""The plan of a model with a gate: binary variables of the prompt, and the label for every combination of them.

Each variable is the exclusive or of the classes of the tokens in two neighbouring slots. So with random tokens the
variables are uniform and independent, and no single token has information about one of them.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Self

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from scribe_suite.planting.symmetries import Symmetry
from scribe_suite.planting.variables.plans import N_CTX

#: The gate, the condition under which it matters, the variable that matters only without it, and two that always do.
GATE, CONDITION, ASIDE, FIRST, SECOND = range(5)
VARIABLES = 5
#: Number of labels: two ways to answer for each value of the two variables that always matter.
N_LABELS = 8


@dataclass(frozen=True)
class GateDial:
    """The requirements for a random plan and its model.

    Attributes:
        d_vocab: Number of tokens.
        confounded: The variables that go along with the gate in contrast pairs, and how often: 0.5 is no connection.
        loud: The size of what is written of `ASIDE`, relative to the other variables; it is read accordingly.
        pairs: Number of public pairs.
    """

    d_vocab: int
    confounded: Mapping[int, float]
    loud: float
    pairs: int


@dataclass(frozen=True)
class GatePlan:
    """The computation of a model.

    Attributes:
        classes: The class of every token, 0 or 1.
        slots: Positions of the tokens that matter, one more than there are variables; never one of the last two.
        flips: For every variable, whether it is the exclusive or or its opposite.
        labels: The label for every combination of variables, with variable i as bit i.
        read: Whether the gate is read where it is kept; otherwise the same answers come from another position.
    """

    classes: tuple[int, ...]
    slots: tuple[int, ...]
    flips: tuple[int, ...]
    labels: tuple[int, ...]
    read: bool

    @property
    def partners(self) -> list[int]:
        """For every label of the first way the one of the second that takes its place, and -1 for all others."""
        partners = [-1] * N_LABELS
        for number in range(1 << VARIABLES):
            if number >> CONDITION & 1 and not number >> GATE & 1:
                partners[self.labels[number]] = self.labels[number | 1 << GATE]
        return partners

    def variables(self, prompts: Int[Tensor, "prompt position"]) -> Int[Tensor, "prompt variable"]:
        """The value of every variable in prompts, 0 or 1."""
        classes = torch.tensor(self.classes)[prompts[:, list(self.slots)]]
        return (classes[:, :-1] + classes[:, 1:] + torch.tensor(self.flips)) % 2

    def expected(self, prompts: Int[Tensor, "prompt position"]) -> Int[Tensor, " prompt"]:
        """The correct label of prompts."""
        numbers = (self.variables(prompts) << torch.arange(VARIABLES)).sum(1)
        return torch.tensor(self.labels)[numbers]

    def renamed(self, symmetry: Symmetry) -> GatePlan:
        """The plan with the names of tokens and labels after a symmetry."""
        classes = list(self.classes)
        for old, new in enumerate(symmetry.token_map):
            classes[new] = self.classes[old]
        labels = tuple(symmetry.label_map[label] for label in self.labels)
        return replace(self, classes=tuple(classes), labels=labels)

    def as_record(self) -> dict[str, Any]:
        """The plan as JSON-safe data; the inverse of `of_record`."""
        return asdict(self)

    @classmethod
    def of_record(cls, record: Mapping[str, Any]) -> Self:
        """The inverse of `as_record`."""
        parts = {name: tuple(record[name]) for name in ("classes", "slots", "flips", "labels")}
        return cls(**parts, read=bool(record["read"]))


def draw_gate_plan(dial: GateDial, read: bool, seed: int) -> GatePlan:
    """Draw a random plan; deterministic for a seed.

    Args:
        dial: The requirements.
        read: Whether the gate is read where it is kept.
        seed: The seed.
    """
    rng = random.Random(seed)
    classes = [token % 2 for token in range(dial.d_vocab)]
    rng.shuffle(classes)
    slots = rng.sample(range(N_CTX - 2), VARIABLES + 1)
    flips = tuple(rng.randrange(2) for _ in range(VARIABLES))
    names = rng.sample(range(N_LABELS), N_LABELS)
    labels = tuple(names[_meaning(number)] for number in range(1 << VARIABLES))
    return GatePlan(tuple(classes), tuple(slots), flips, labels, read)


def _meaning(number: int) -> int:
    """Which of the meanings a combination has: what always matters, and the way to answer.

    Both ways occur without the condition too. So a vector that only makes the labels of one way likelier changes
    neutral prompts.
    """
    bits = [number >> variable & 1 for variable in range(VARIABLES)]
    second_way = bits[GATE] if bits[CONDITION] else bits[ASIDE]
    return bits[FIRST] + 2 * bits[SECOND] + 4 * second_way


def draw_where(
    plan: GatePlan, count: int, wanted: Mapping[int, int], generator: torch.Generator
) -> Int[Tensor, "prompt position"]:
    """Random prompts in which some variables have given values.

    Args:
        plan: The plan.
        count: How many.
        wanted: Variable -> its value.
        generator: Draws them.
    """
    found = [torch.empty(0, N_CTX, dtype=torch.int64)]
    while sum(map(len, found)) < count:
        prompts = torch.randint(len(plan.classes), (4 * count + 64, N_CTX), generator=generator)
        found.append(prompts[_agree(plan.variables(prompts), wanted)])
    return torch.cat(found)[:count]


def draw_contrast(
    plan: GatePlan, count: int, confounded: Mapping[int, float], generator: torch.Generator
) -> tuple[Int[Tensor, "prompt position"], Int[Tensor, "prompt position"]]:
    """Prompts with the gate on and off, where the condition holds; other variables go along with the gate.

    Args:
        plan: The plan.
        count: How many of each.
        confounded: Variable -> the probability that it has the gate's value.
        generator: Draws them.
    """
    sides = []
    for gate in (1, 0):
        same = {variable: torch.rand(count, generator=generator) < share for variable, share in confounded.items()}
        side = torch.empty(count, N_CTX, dtype=torch.int64)
        for combination in itertools.product((False, True), repeat=len(same)):
            rows = torch.ones(count, dtype=torch.bool)
            for agrees, drawn in zip(combination, same.values(), strict=True):
                rows &= drawn == agrees
            wanted = {
                variable: gate if agrees else 1 - gate for variable, agrees in zip(same, combination, strict=True)
            }
            side[rows] = draw_where(plan, int(rows.sum()), {GATE: gate, CONDITION: 1, **wanted}, generator)
        sides.append(side)
    return sides[0], sides[1]


def _agree(variables: Int[Tensor, "prompt variable"], wanted: Mapping[int, int]) -> Bool[Tensor, " prompt"]:
    columns: Sequence[int] = list(wanted)
    agree: Tensor = (variables[:, columns] == torch.tensor([wanted[column] for column in columns])).all(1)
    return agree
