"""Moves the nodes of a planted wiring to other layers; the network computes the same labels.

Each variable has its own residual dimensions, and nodes are restricted to the dimensions of what they need
(`assembly`). So it does not matter where a node is, as long as it comes after what it reads. A node also reads, without
effect, all nodes that are earlier now but were not before, as it reads the others: otherwise products of weights would
rule edges out. Without crosstalk the labels are the same exactly. With it, nodes hear a little of other nodes than
before; `certificate.certify_moves` measures that.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from scribe_suite.planting.circuits.assembly import place_of
from scribe_suite.planting.circuits.causal import Correspondence
from scribe_suite.planting.circuits.layout import computed_before
from scribe_suite.planting.circuits.programs.program import Program
from scribe_suite.planting.circuits.wiring.assembly import spare_columns
from scribe_suite.planting.circuits.wiring.edges import EMBED, Edge, Role, roles_of, wiring_of
from scribe_suite.planting.circuits.wiring.forcing import WiringRecipe
from scribe_suite.planting.circuits.wiring.stream import Stream
from scribe_suite.planting.hooked import ModelWeights

_OF_HEADS = ("W_Q", "W_K", "W_V", "W_O", "b_Q", "b_K", "b_V")
_OF_MLPS = ("W_in", "b_in", "W_out", "b_out")
_INPUTS: Mapping[Role, str] = {"q": "attn.W_Q", "k": "attn.W_K", "v": "attn.W_V", "in": "mlp.W_in"}
#: Standard deviation of the logarithm of the size of new weights, relative to those of the same input.
_SPREAD = 0.3


@dataclass(frozen=True)
class WiredNetwork:
    """A network with a planted wiring.

    Attributes:
        weights: Assembled by `assembly.among_listeners`.
        program: The program that it runs.
        correspondence: The node of each variable.
        recipe: The sizes of its trained nodes.
    """

    weights: ModelWeights
    program: Program
    correspondence: Correspondence
    recipe: WiringRecipe


def moved(network: WiredNetwork, new: Correspondence, generator: torch.Generator) -> ModelWeights:
    """The network with the nodes of its variables elsewhere, and all other nodes at random in the remaining places.

    Args:
        network: The network, in the basis in which it was assembled.
        new: The node of each variable in the result; inputs come before what reads them.
        generator: Draws the places of the other nodes, and weights without effect.
    """
    config = network.weights.config
    n_layers, n_heads = int(config["n_layers"]), int(config["n_heads"])
    old, state = network.weights.state, dict(network.weights.state)
    to = {network.correspondence[name][0]: new[name][0] for name in new}
    heads = _origins([f"a{layer}.h{head}" for layer in range(n_layers) for head in range(n_heads)], to, generator)
    for name in _OF_HEADS:
        values = [old[f"blocks.{layer}.attn.{name}"][head] for layer, head in map(place_of, heads)]
        for layer in range(n_layers):
            state[f"blocks.{layer}.attn.{name}"] = torch.stack(values[layer * n_heads : (layer + 1) * n_heads])
    for layer, node in enumerate(_origins([f"m{layer}" for layer in range(n_layers)], to, generator)):
        for name in _OF_MLPS:
            state[f"blocks.{layer}.mlp.{name}"] = old[f"blocks.{place_of(node)[0]}.mlp.{name}"].clone()
    for target, columns, heard, unheard in _inputs(network, new, state):
        sizes = [float(target[rows.start : rows.stop].norm().log()) for rows in heard]
        for rows in unheard:
            drawn = torch.randn(len(rows), len(columns), generator=generator)
            spread = _SPREAD * float(torch.randn(1, generator=generator))
            size = math.exp(sum(sizes) / len(sizes) + spread)
            target[rows.start : rows.stop, columns.start : columns.stop] = drawn * size / drawn.norm()
    return ModelWeights(config, state)


def _inputs(
    network: WiredNetwork, new: Correspondence, state: Mapping[str, Tensor]
) -> Iterator[tuple[Tensor, range, list[range], list[range]]]:
    """For each input of each node its weights, the columns without effect, and the rows of two kinds of writers.

    The first are those that it reads already, the second those that are earlier now, and of which it reads nothing yet.
    """
    dimensions = Stream(network.program).dimensions
    variable = {nodes[0]: name for name, nodes in new.items()}
    needed = set(wiring_of(network.program, new))
    for node in variable:
        earlier = [EMBED, *(other for other in variable if computed_before(other, node))]
        for role in roles_of(node):
            layer, *head = place_of(node)
            weights = state[f"blocks.{layer}.{_INPUTS[role]}"]
            target = weights[head[0]] if head else weights
            trained = network.recipe.d_head if head else network.recipe.neurons
            columns = spare_columns(role, trained, target.shape[1])
            heard, unheard = list[range](), list[range]()
            for writer in (EMBED, *variable):
                rows = dimensions[variable.get(writer, EMBED)]
                read = bool(target[rows.start : rows.stop, columns.start : columns.stop].any())
                if read or Edge(writer, node, role) in needed:
                    heard.append(rows)
                elif writer in earlier:
                    unheard.append(rows)
            yield target, columns, heard, unheard


def _origins(places: Sequence[str], to: Mapping[str, str], generator: torch.Generator) -> list[str]:
    """The node that each place gets: the one that is moved there, otherwise one of the others."""
    known = {there: here for here, there in to.items()}
    others = [node for node in places if node not in to]
    order = torch.randperm(len(others), generator=generator).tolist()
    rest = iter([others[i] for i in order])
    return [known[place] if place in known else next(rest) for place in places]
