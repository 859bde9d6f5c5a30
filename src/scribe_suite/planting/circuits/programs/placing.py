"""Where the variables of a program go: a head or an MLP for each, after those that it reads."""

from __future__ import annotations

import random

from scribe_suite.planting.circuits.causal import Correspondence
from scribe_suite.planting.circuits.programs.program import Program

_ATTEMPTS = 4000
#: How many layers a variable may stand later than it must.
_SLACK = 2


def place(program: Program, n_layers: int, n_heads: int, rng: random.Random) -> Correspondence:
    """A random placement: a head reads earlier layers, an MLP its own layer's heads too; a layer has one MLP.

    Raises:
        ValueError: When the program does not fit.
    """
    for _ in range(_ATTEMPTS):
        layers = _layers(program, n_layers, n_heads, rng)
        if layers is not None:
            free = {layer: rng.sample(range(n_heads), n_heads) for layer in range(n_layers)}
            return {
                part.name: (f"a{layers[part.name]}.h{free[layers[part.name]].pop()}",)
                if part.is_head
                else (f"m{layers[part.name]}",)
                for part in program.parts
            }
    raise ValueError(f"a program of {len(program.parts)} variables does not fit into {n_layers} layers")


def _layers(program: Program, n_layers: int, n_heads: int, rng: random.Random) -> dict[str, int] | None:
    """A layer for every variable, or None where the draw came to an end that it can't leave."""
    layers: dict[str, int] = {}
    heads, mlps = [0] * n_layers, set[int]()
    for part in program.parts:
        sources = [program.by_name[name] for name in part.inputs if name in program.by_name]
        first = max([layers[one.name] + int(part.is_head or not one.is_head) for one in sources], default=0)
        options = [
            layer
            for layer in range(first, min(first + _SLACK, n_layers))
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
