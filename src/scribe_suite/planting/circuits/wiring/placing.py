"""Where the variables of a program go: anywhere behind what they read, so that layers say little of the wiring."""

from __future__ import annotations

import random

from scribe_suite.planting.circuits.causal import Correspondence
from scribe_suite.planting.circuits.programs.program import Program

_ATTEMPTS = 4000


def spread(program: Program, n_layers: int, n_heads: int, rng: random.Random) -> Correspondence:
    """A random placement: a head reads earlier layers, an MLP its own layer's heads too; a layer has one MLP.

    Of all layers that leave room for what comes after it, each variable gets any with the same probability.

    Raises:
        ValueError: When the program does not fit.
    """
    steps = _steps_after(program)
    for _ in range(_ATTEMPTS):
        layers = _layers(program, n_layers, n_heads, steps, rng)
        if layers is not None:
            free = {layer: rng.sample(range(n_heads), n_heads) for layer in range(n_layers)}
            return {
                part.name: (f"a{layers[part.name]}.h{free[layers[part.name]].pop()}",)
                if part.is_head
                else (f"m{layers[part.name]}",)
                for part in program.parts
            }
    raise ValueError(f"a program of {len(program.parts)} variables does not fit into {n_layers} layers")


def _steps_after(program: Program) -> dict[str, int]:
    """How many layers later than a variable the last that depends on it must be, at least."""
    steps = dict.fromkeys(program.variables, 0)
    for part in reversed(program.parts):
        for name in part.inputs:
            if name in program.by_name:
                steps[name] = max(steps[name], steps[part.name] + _apart(program, name, part.name))
    return steps


def _apart(program: Program, writer: str, reader: str) -> int:
    """How many layers later a reader must be: a head is computed before the MLP of its own layer."""
    return int(program.by_name[reader].is_head or not program.by_name[writer].is_head)


def _layers(
    program: Program, n_layers: int, n_heads: int, steps: dict[str, int], rng: random.Random
) -> dict[str, int] | None:
    """A layer for every variable, or None where the draw came to an end that it can't leave."""
    layers: dict[str, int] = {}
    heads, mlps = [0] * n_layers, set[int]()
    for part in program.parts:
        sources = [name for name in part.inputs if name in program.by_name]
        first = max([layers[name] + _apart(program, name, part.name) for name in sources], default=0)
        options = [
            layer
            for layer in range(first, n_layers - steps[part.name])
            if (heads[layer] < n_heads if part.is_head else layer not in mlps)
        ]
        if not options:
            return None
        layer = layers[part.name] = rng.choice(options)
        if part.is_head:
            heads[layer] += 1
        else:
            mlps.add(layer)
    return layers
