"""Puts a trained program into a larger network, among nodes that don't matter.

The program keeps its own residual dimensions. All other nodes are random, with outputs as large and attention as sharp;
they read everything and write into dimensions that the program hardly reads.
"""

from __future__ import annotations

import torch
from jaxtyping import Int
from torch import Tensor

from scribe_suite.planting.circuits.assembly import Assembled, add_crosstalk, place_of
from scribe_suite.planting.circuits.compact import Compact
from scribe_suite.planting.circuits.fillers import fill
from scribe_suite.planting.circuits.layout import Copy
from scribe_suite.planting.circuits.norms import equalise_norms
from scribe_suite.planting.circuits.patchable import PatchableTransformer, TransformerShape

#: Parameters of heads and of MLPs that read the residual stream, that don't touch it, and that write to it.
_READING = {"a": ("W_Q", "W_K", "W_V"), "m": ("W_in",)}
_INSIDE = {"a": ("b_Q", "b_K", "b_V"), "m": ("b_in",)}
_WRITING = {"a": ("W_O",), "m": ("W_out", "b_out")}


@torch.no_grad()
def among_decoys(
    core: PatchableTransformer,
    small: Compact,
    shape: TransformerShape,
    crosstalk: float,
    prompts: Int[Tensor, "prompt position"],
    generator: torch.Generator,
) -> PatchableTransformer:
    """The whole network.

    Args:
        core: The program alone, in the architecture of `small`.
        small: What was left of `shape`.
        shape: Of the whole network.
        crosstalk: Size of the weights by which the program's nodes read what the others write, relative to those by
            which they read their own.
        prompts: On which sizes are measured.
        generator: Of all random choices.
    """
    network, width = PatchableTransformer(shape), core.shape.d_model
    for parameter in network.parameters():
        parameter.zero_()
    network.W_E[:, :width], network.W_pos[:, :width] = core.W_E, core.W_pos
    network.W_U[:width] = core.W_U
    network.b_U.copy_(core.b_U)
    for node, original in small.names.items():
        here, there, kind = place_of(node), place_of(original), node[0]
        for name in _READING[kind]:
            getattr(network, name)[here][:width] = getattr(core, name)[there]
        for name in _INSIDE[kind]:
            getattr(network, name)[here] = getattr(core, name)[there]
        for name in _WRITING[kind]:
            getattr(network, name)[here][..., :width] = getattr(core, name)[there]
    fill(Assembled(network, dict.fromkeys(small.names, range(width)), width), prompts, generator)
    nodes = [Copy(node, node, {}) for node in small.names]
    add_crosstalk(Assembled(network, {}, width), nodes, crosstalk, generator)
    equalise_norms(network, prompts, generator)
    return network
