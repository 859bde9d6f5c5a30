"""The plan of a model: a chain of variables, each a function of two tokens, and a label for every combination.

Variable i depends on the classes of the tokens in slots i and i + 1, by a Latin square. With random tokens the
variables are therefore uniform and independent, neighbours share a token, and no single token has information about a
variable.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Self

import torch
from jaxtyping import Int
from torch import Tensor

from scribe_suite.planting.symmetries import Symmetry

#: Number of tokens of a prompt.
N_CTX = 10


@dataclass(frozen=True)
class Dial:
    """The requirements for a random plan, and for the model that computes it.

    Attributes:
        variables: Number of variables.
        values: Number of values of each.
        d_vocab: Number of tokens.
        overlap: Length of a variable's output in the dimensions that all variables share, relative to that in its own;
            likewise for reading.
        sharing: Number of variables that share dimensions, the first with the next ones and so on; 0 for all.
    """

    variables: int
    values: int
    d_vocab: int
    overlap: float
    sharing: int = 0

    @property
    def dimensions(self) -> int:
        """Number of dimensions of a variable: its values are the corners of a regular simplex."""
        return self.values - 1

    @property
    def parties(self) -> int:
        """Number of groups of variables that share dimensions."""
        return -(-self.variables // (self.sharing or self.variables))


@dataclass(frozen=True)
class Plan:
    """The computation of a model.

    Attributes:
        values: Number of values of each variable.
        classes: The class of every token, 0 to ``values - 1``.
        slots: Positions of the tokens that matter, one more than there are variables; never the last position.
        tables: For each variable a table of its value by the classes of its two tokens.
        combinations: For every label, the value of each variable.
    """

    values: int
    classes: tuple[int, ...]
    slots: tuple[int, ...]
    tables: tuple[tuple[tuple[int, ...], ...], ...]
    combinations: tuple[tuple[int, ...], ...]

    @property
    def n_variables(self) -> int:
        """The number of variables."""
        return len(self.tables)

    @property
    def n_labels(self) -> int:
        """The number of labels: one for each combination."""
        return len(self.combinations)

    def variables(self, prompts: Int[Tensor, "prompt position"]) -> Int[Tensor, "prompt variable"]:
        """The value of every variable in prompts."""
        classes = torch.tensor(self.classes)[prompts[:, list(self.slots)]]
        tables = torch.tensor(self.tables)
        return torch.stack([tables[i, classes[:, i], classes[:, i + 1]] for i in range(self.n_variables)], 1)

    def expected(self, prompts: Int[Tensor, "prompt position"]) -> Int[Tensor, " prompt"]:
        """The correct label of prompts."""
        weights = self.values ** torch.arange(self.n_variables)
        label_of = torch.empty(self.n_labels, dtype=torch.long)
        label_of[(torch.tensor(self.combinations) * weights).sum(1)] = torch.arange(self.n_labels)
        return label_of[(self.variables(prompts) * weights).sum(1)]

    def groups(self, variable: int) -> list[int]:
        """The value of one variable for each label."""
        return [combination[variable] for combination in self.combinations]

    def renamed(self, symmetry: Symmetry) -> Plan:
        """The plan with the names of tokens and labels after a symmetry."""
        classes, combinations = list(self.classes), list(self.combinations)
        for old, new in enumerate(symmetry.token_map):
            classes[new] = self.classes[old]
        for old, new in enumerate(symmetry.label_map):
            combinations[new] = self.combinations[old]
        return replace(self, classes=tuple(classes), combinations=tuple(combinations))

    def as_record(self) -> dict[str, Any]:
        """The plan as JSON-safe data; the inverse of `of_record`."""
        return asdict(self)

    @classmethod
    def of_record(cls, record: Mapping[str, Any]) -> Self:
        """The inverse of `as_record`."""
        return cls(
            values=record["values"],
            classes=tuple(record["classes"]),
            slots=tuple(record["slots"]),
            tables=tuple(tuple(tuple(row) for row in table) for table in record["tables"]),
            combinations=tuple(tuple(one) for one in record["combinations"]),
        )


def draw_plan(dial: Dial, seed: int) -> Plan:
    """Draw a random plan; deterministic for a seed."""
    rng = random.Random(seed)
    classes = [token % dial.values for token in range(dial.d_vocab)]
    rng.shuffle(classes)
    slots = rng.sample(range(N_CTX - 1), dial.variables + 1)
    tables = tuple(_latin_square(dial.values, rng) for _ in range(dial.variables))
    numbers = list(range(dial.values**dial.variables))
    combinations = [tuple(number // dial.values**i % dial.values for i in range(dial.variables)) for number in numbers]
    return Plan(dial.values, tuple(classes), tuple(slots), tables, tuple(combinations))


def draw_prompts(count: int, d_vocab: int, generator: torch.Generator) -> Int[Tensor, "prompt position"]:
    """Prompts of random tokens."""
    return torch.randint(d_vocab, (count, N_CTX), generator=generator)


def draw_pairs(
    plan: Plan, count: int, generator: torch.Generator
) -> tuple[Int[Tensor, "pair position"], Int[Tensor, "pair position"]]:
    """Pairs of prompts (base, source) that differ in the value of every variable."""
    share = (1 - 1 / plan.values) ** plan.n_variables
    drawn = math.ceil(2 * count / share) + 50
    base, source = (draw_prompts(drawn, len(plan.classes), generator) for _ in range(2))
    differ = (plan.variables(base) != plan.variables(source)).all(1)
    if int(differ.sum()) < count:
        return draw_pairs(plan, count, generator)
    return base[differ][:count], source[differ][:count]


def _latin_square(size: int, rng: random.Random) -> tuple[tuple[int, ...], ...]:
    """A random relabelling of the addition table modulo `size`."""
    rows, columns, values = (rng.sample(range(size), size) for _ in range(3))
    return tuple(tuple(values[(rows[a] + columns[b]) % size] for b in range(size)) for a in range(size))
