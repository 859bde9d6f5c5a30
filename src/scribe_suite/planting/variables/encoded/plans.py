"""The plan of a model with a variable that is not linearly coded: label variables, and what chooses states."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Self

import torch
from jaxtyping import Int
from torch import Tensor

from scribe_suite.planting.symmetries import Symmetry
from scribe_suite.planting.variables.encoded.codes import Code, CodeName, code_of
from scribe_suite.planting.variables.plans import N_CTX, Dial, Plan, draw_plan
from scribe_suite.seeds import derive_seed

#: The variable that is coded, and its companion where it is read.
ASKED, COMPANION = 0, 1


@dataclass(frozen=True)
class EncodedDial:
    """The requirements for a plan.

    Attributes:
        values: Number of values of each variable.
        plain: Number of further variables, with linear codes.
        companion_read: Whether the companion is a variable that decides the label too; otherwise it is a token's class.
        d_vocab: Number of tokens.
    """

    values: int
    plain: int
    companion_read: bool
    d_vocab: int

    @property
    def variables(self) -> int:
        """The number of variables that decide the label."""
        return 1 + self.companion_read + self.plain

    @property
    def chain(self) -> Dial:
        """The requirements for the chain of variables that decide the label."""
        return Dial(self.variables, self.values, self.d_vocab, overlap=0.0)


@dataclass(frozen=True)
class EncodedPlan:
    """The computation of a model.

    Attributes:
        code_name: The code of variable 0 and its companion.
        companion_read: Whether the companion is variable 1.
        plan: The variables that decide the label.
        free_slots: Positions of two more tokens, whose classes are the rest, and the companion where it is no variable.
    """

    code_name: CodeName
    companion_read: bool
    plan: Plan
    free_slots: tuple[int, int]

    @cached_property
    def code(self) -> Code:
        """The points of the code."""
        return code_of(self.code_name, self.plan.values)

    @cached_property
    def _state_of(self) -> Int[Tensor, "value companion rest"]:
        table = torch.zeros(self.plan.values, self.plan.values, self.code.rests, dtype=torch.long)
        for number, state in enumerate(self.code.states):
            table[state] = number
        return table

    def state_at(self, value: int, companion: int, rest: int) -> int:
        """The number of a state."""
        return int(self._state_of[value, companion, rest % self.code.rests])

    def states(self, prompts: Int[Tensor, "prompt position"]) -> Int[Tensor, " prompt"]:
        """The state of the code in prompts."""
        variables, free = self.plan.variables(prompts), self._free(prompts)
        companion = variables[:, COMPANION] if self.companion_read else free[:, 1]
        return self._state_of[variables[:, ASKED], companion, free[:, 0] % self.code.rests]

    def others_of(self, labels: Int[Tensor, " prompt"]) -> Int[Tensor, "prompt variable"]:
        """The values of all variables but the one that is asked for, for labels."""
        return torch.tensor(self.plan.combinations)[labels][:, 1:]

    def _free(self, prompts: Int[Tensor, "prompt position"]) -> Int[Tensor, "prompt 2"]:
        return torch.tensor(self.plan.classes)[prompts[:, list(self.free_slots)]]

    def renamed(self, symmetry: Symmetry) -> EncodedPlan:
        """The plan with the names of tokens and labels after a symmetry."""
        return replace(self, plan=self.plan.renamed(symmetry))

    def as_record(self) -> dict[str, Any]:
        """The plan as JSON-safe data; the inverse of `of_record`."""
        return {
            "code": self.code_name,
            "companion_read": self.companion_read,
            "free_slots": list(self.free_slots),
            "plan": self.plan.as_record(),
        }

    @classmethod
    def of_record(cls, record: Mapping[str, Any]) -> Self:
        """The inverse of `as_record`."""
        first, second = record["free_slots"]
        return cls(record["code"], record["companion_read"], Plan.of_record(record["plan"]), (first, second))


def draw_encoded_plan(dial: EncodedDial, code: CodeName, seed: int) -> EncodedPlan:
    """Draw a random plan with a certain code; deterministic for a seed."""
    plan = draw_plan(dial.chain, seed)
    rng = random.Random(derive_seed(seed, "free slots"))
    first, second = rng.sample([slot for slot in range(N_CTX - 1) if slot not in plan.slots], 2)
    return EncodedPlan(code, dial.companion_read, plan, (first, second))
