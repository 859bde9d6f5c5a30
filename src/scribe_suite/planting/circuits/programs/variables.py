"""The variables of a program: functions of tokens and earlier variables that a head or an MLP can compute.

A variable has a value *everywhere*, at each position, or at the *end*, only at the last position. Heads move values or
count them; MLPs look them up in a table.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Int
from torch import Tensor

#: How a variable is computed from its inputs:
#:
#: - ``back``: the value a fixed number of places earlier; for the first places, the value at the first one.
#: - ``at``: the value at one place.
#: - ``marked``: of two inputs, the second at the place where the first is 1.
#: - ``latest``: of two inputs, the second at the last place where the first has the wanted value; else at the end.
#: - ``pointed``: of two inputs, the second at the place that the first, a variable at the end, denotes.
#: - ``count``: how often the wanted value occurs in a span of places.
#: - ``table``: an entry of a table, indexed by the values of all inputs.
Operation = Literal["back", "at", "marked", "latest", "pointed", "count", "table"]

LABELS = 6
#: Number of places among which values are counted.
SPAN = 6

#: Prefix of inputs that are not variables: a fixed class of each token. A number follows.
_TOKEN_CLASS = "class "


@dataclass(frozen=True)
class Variable:
    """One variable.

    Attributes:
        name: Its name in the causal model.
        operation: How it is computed.
        inputs: Names of variables, and classes of tokens (`token_class`).
        size: Number of its values.
        everywhere: Whether it has a value at every position; otherwise it has one at the end.
        by: Number of places back (``back``).
        place: The place (``at``), or the first of the span (``count``).
        wanted: The value to look for (``latest``, ``count``).
        slots: The place for each value of the first input (``pointed``).
        table: The entries in row-major order: the last input varies fastest (``table``).
        shape: Number of values of each input (``table``).
    """

    name: str
    operation: Operation
    inputs: tuple[str, ...]
    size: int
    everywhere: bool = False
    by: int = 0
    place: int = 0
    wanted: int = 0
    slots: tuple[int, ...] = ()
    table: tuple[int, ...] = ()
    shape: tuple[int, ...] = ()

    @property
    def is_head(self) -> bool:
        """Whether a head computes it; otherwise an MLP does."""
        return self.operation != "table"

    def value(self, read: Sequence[Int[Tensor, "prompt ..."]]) -> Int[Tensor, "prompt ..."]:
        """Compute its value, of shape (prompt, position) or (prompt,).

        Args:
            read: The values of its inputs, each of one of these two shapes.
        """
        rows = torch.arange(len(read[0]))
        match self.operation:
            case "back":
                return read[0][:, (torch.arange(read[0].shape[1]) - self.by).clamp(min=0)]
            case "at":
                return read[0][:, self.place]
            case "marked":
                return read[1][rows, read[0].argmax(1)]
            case "latest":
                length = read[0].shape[1]
                found = (read[0] == self.wanted).long() * (torch.arange(length) + 1)
                return read[1][rows, torch.where(found.amax(1) > 0, found.argmax(1), length - 1)]
            case "pointed":
                return read[1][rows, torch.tensor(self.slots)[read[0]]]
            case "count":
                return (read[0][:, self.place : self.place + SPAN] == self.wanted).sum(1)
            case "table":
                index = read if self.everywhere else [one[:, -1] if one.dim() == 2 else one for one in read]
                return torch.tensor(self.table).view(self.shape)[tuple(index)]


def token_class(number: int) -> str:
    """The name by which variables read a class of tokens."""
    return f"{_TOKEN_CLASS}{number}"


def class_number(name: str) -> int | None:
    """The number of a class of tokens; None for a variable."""
    return int(name.removeprefix(_TOKEN_CLASS)) if name.startswith(_TOKEN_CLASS) else None
