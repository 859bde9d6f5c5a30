"""Places the variables of a program: each in a head or an MLP, after the variables that it reads."""

from __future__ import annotations

import random
from collections.abc import Callable

from scribe_suite.planting.circuits.causal import Correspondence
from scribe_suite.planting.circuits.programs.program import Program

_ATTEMPTS = 4000
#: Number of layers by which a variable may be later than necessary.
_SLACK = 2


def place(program: Program, n_layers: int, n_heads: int, rng: random.Random) -> Correspondence:
    """A random placement with each variable soon after those that it reads; see `placed`.

    Raises:
        ValueError: When the program does not fit.
    """
    return placed(program, n_layers, n_heads, rng, lambda _name, first: min(first + _SLACK, n_layers))


def placed(
    program: Program, n_layers: int, n_heads: int, rng: random.Random, end: Callable[[str, int], int]
) -> Correspondence:
    """A random placement: a head reads earlier layers, an MLP also the heads of its layer; a layer has one MLP.

    Args:
        program: The program.
        n_layers: Number of layers.
        n_heads: Number of heads in a layer.
        rng: Draws the layers and the heads.
        end: Function of a variable's name and its first possible layer; returns the layer before which it must be.

    Raises:
        ValueError: When the program does not fit.
    """
    for _ in range(_ATTEMPTS):
        layers = _layers(program, n_layers, n_heads, rng, end)
        if layers is not None:
            free = {layer: rng.sample(range(n_heads), n_heads) for layer in range(n_layers)}
            return {
                part.name: (f"a{layers[part.name]}.h{free[layers[part.name]].pop()}",)
                if part.is_head
                else (f"m{layers[part.name]}",)
                for part in program.parts
            }
    raise ValueError(f"a program of {len(program.parts)} variables does not fit into {n_layers} layers")


def layers_apart(program: Program, writer: str, reader: str) -> int:
    """The least number of layers from writer to reader: a head is computed before the MLP of its own layer."""
    return int(program.by_name[reader].is_head or not program.by_name[writer].is_head)


def _layers(
    program: Program, n_layers: int, n_heads: int, rng: random.Random, end: Callable[[str, int], int]
) -> dict[str, int] | None:
    """A layer for every variable, or None if the draw reached a dead end."""
    layers: dict[str, int] = {}
    heads, mlps = [0] * n_layers, set[int]()
    for part in program.parts:
        sources = [name for name in part.inputs if name in program.by_name]
        first = max([layers[name] + layers_apart(program, name, part.name) for name in sources], default=0)
        options = [
            layer
            for layer in range(first, end(part.name, first))
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
