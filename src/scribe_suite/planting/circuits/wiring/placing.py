"""Places the variables of a program anywhere after their inputs, so that layers reveal little about the wiring."""

from __future__ import annotations

import random

from scribe_suite.planting.circuits.causal import Correspondence
from scribe_suite.planting.circuits.programs.placing import layers_apart, placed
from scribe_suite.planting.circuits.programs.program import Program


def spread(program: Program, n_layers: int, n_heads: int, rng: random.Random) -> Correspondence:
    """A random placement: a variable gets any layer that leaves room for those that depend on it; see `placed`.

    Raises:
        ValueError: When the program does not fit.
    """
    steps = _steps_after(program)
    return placed(program, n_layers, n_heads, rng, lambda name, _first: n_layers - steps[name])


def _steps_after(program: Program) -> dict[str, int]:
    """The least number of layers between each variable and the last one that depends on it."""
    steps = dict.fromkeys(program.variables, 0)
    for part in reversed(program.parts):
        for name in part.inputs:
            if name in program.by_name:
                steps[name] = max(steps[name], steps[part.name] + layers_apart(program, name, part.name))
    return steps
