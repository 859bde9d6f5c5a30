"""Where the variables of a program go: anywhere behind what they read, so that layers say little of the wiring."""

from __future__ import annotations

import random

from scribe_suite.planting.circuits.causal import Correspondence
from scribe_suite.planting.circuits.programs.placing import layers_apart, placed
from scribe_suite.planting.circuits.programs.program import Program


def spread(program: Program, n_layers: int, n_heads: int, rng: random.Random) -> Correspondence:
    """A random placement in which each variable gets any layer that leaves room for what comes after it; see `placed`.

    Raises:
        ValueError: When the program does not fit.
    """
    steps = _steps_after(program)
    return placed(program, n_layers, n_heads, rng, lambda name, _first: n_layers - steps[name])


def _steps_after(program: Program) -> dict[str, int]:
    """How many layers later than a variable the last that depends on it must be, at least."""
    steps = dict.fromkeys(program.variables, 0)
    for part in reversed(program.parts):
        for name in part.inputs:
            if name in program.by_name:
                steps[name] = max(steps[name], steps[part.name] + layers_apart(program, name, part.name))
    return steps
