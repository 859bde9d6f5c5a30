"""Codes of a variable that are not linear: sets of points in which every value has the same mean.

A code has states. Each state is a point and has a value of the variable, a value of a second variable, the
companion, and a rest. For each value of the variable the mean over its states is zero (for `norm`: the same), so no
direction tells the values apart on average.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor

from scribe_suite.planting.variables.simplex import simplex

#: The names of all codes, in the order in which base models have them.
CodeName = Literal["exclusive_or", "phase", "signs", "norm", "order"]
CODES: tuple[CodeName, ...] = get_args(CodeName)

State = tuple[int, int, int]


@dataclass(frozen=True)
class Code:
    """The points of a code.

    Attributes:
        name: Its name.
        states: Value, companion and rest of each state.
        points: The point of each state.
    """

    name: CodeName
    states: tuple[State, ...]
    points: Float[Tensor, "state dimension"]

    @property
    def rests(self) -> int:
        """The number of different rests."""
        return 1 + max(rest for _, _, rest in self.states)

    @property
    def dimensions(self) -> int:
        """The number of dimensions of the points."""
        return int(self.points.shape[1])


def code_of(name: CodeName, values: int) -> Code:
    """A code for a variable and a companion that both have this number of values."""
    states, points = _MAKERS[name](values)
    stacked = torch.stack(points)
    # two places that are opposite each other need only one axis
    return Code(name, tuple(states), stacked[:, stacked.abs().amax(0) > _NO_AXIS])


def widest(values: int) -> int:
    """The largest number of dimensions that a code needs."""
    return max(code_of(name, values).dimensions for name in CODES)


def _exclusive_or(values: int) -> tuple[list[State], list[Tensor]]:
    """Two variables of which the second is the first plus the value, modulo the number of values."""
    corners = simplex(values)
    states = [(x, w, 0) for x in range(values) for w in range(values)]
    return states, [torch.cat([corners[w], corners[(w + x) % values]]) for x, w, _ in states]


def _signs(values: int) -> tuple[list[State], list[Tensor]]:
    """Three variables that add up to the value; with two values, a product of three signs."""
    corners = simplex(values)
    states = [*itertools.product(range(values), repeat=3)]
    return states, [torch.cat([corners[w], corners[r], corners[(x - w - r) % values]]) for x, w, r in states]


def _phase(values: int) -> tuple[list[State], list[Tensor]]:
    """Points on a circle, of which every second or third has the same value."""
    rests = _few(values)
    sectors = values * rests
    states = [(x, w, r) for x in range(values) for w in range(values) for r in range(rests)]
    return states, [_on_circle(x + values * (w + values * r), values * sectors) for x, w, r in states]


def _norm(values: int) -> tuple[list[State], list[Tensor]]:
    """Directions in a plane that have nothing to do with the value, which is the distance from zero."""
    rests = _few(values)
    states = [(x, w, r) for x in range(values) for w in range(values) for r in range(rests)]
    return states, [(0.6 + 0.8 * x) * _on_circle(w + values * r, values * rests) for x, w, r in states]


def _order(values: int) -> tuple[list[State], list[Tensor]]:
    """Two places on a ring: the value is the arc in which the second lies, as seen from the first."""
    ring = values * values
    states = [*itertools.product(range(values), repeat=3)]
    return states, [
        torch.cat([_on_circle(values * r, ring), _on_circle(values * r + values * x + w, ring)]) for x, w, r in states
    ]


#: Coordinates up to this are rounding errors.
_NO_AXIS = 1e-6

_MAKERS: Mapping[CodeName, Callable[[int], tuple[list[State], list[Tensor]]]] = {
    "exclusive_or": _exclusive_or,
    "phase": _phase,
    "signs": _signs,
    "norm": _norm,
    "order": _order,
}


def _few(values: int) -> int:
    """The number of rests of codes in a plane, which has no room for many points."""
    return 2 if values == 2 else 1


def _on_circle(number: int, count: int) -> Tensor:
    angle = 2 * math.pi * number / count
    return torch.tensor([math.cos(angle), math.sin(angle)])
