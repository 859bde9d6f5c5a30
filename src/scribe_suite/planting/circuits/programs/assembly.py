"""Embeds a trained program in a larger network, among nodes that don't matter.

The program keeps its own residual dimensions. All other nodes are random, with equally large outputs and equally
sharp attention; they read everything and write into dimensions that the program hardly reads.
"""

from __future__ import annotations

from collections.abc import Callable

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
    noise: float,
    prompts: Int[Tensor, "prompt position"],
    generator: torch.Generator,
    typical: Callable[[Tensor], Tensor] = torch.mean,
) -> PatchableTransformer:
    """Assemble the whole network.

    Args:
        core: The network of the program alone, in the architecture of `small`.
        small: The part of `shape` that the program uses.
        shape: The architecture of the whole network.
        crosstalk: Size of the weights by which the program's nodes read the others' outputs, relative to those by
            which they read their inputs.
        noise: Size of the outputs of the program's nodes besides their codes, relative to those.
        prompts: The prompts on which sizes are measured.
        generator: Draws all random choices.
        typical: Summarises the sharpness of the program's heads, which the other heads get (`fillers.fill`).
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
    if noise:
        for node in small.names:
            _add_noise(network, node, width, noise, prompts, generator)
    fill(Assembled(network, dict.fromkeys(small.names, range(width)), width), prompts, generator, typical)
    nodes = [Copy(node, node, {}) for node in small.names]
    add_crosstalk(Assembled(network, {}, width), nodes, crosstalk, generator)
    equalise_norms(network, prompts, generator)
    return network


def _add_noise(
    network: PatchableTransformer,
    node: str,
    width: int,
    noise: float,
    prompts: Int[Tensor, "prompt position"],
    generator: torch.Generator,
) -> None:
    """Let a node also write random projections of its whole state, which the program hardly reads.

    A head's values and an MLP's neurons contain more about their inputs than the code does: which token it was, and
    where. So outputs with the same code differ, and only effects show which part of an output matters.
    """
    place, name = place_of(node), "W_O" if node[0] == "a" else "W_out"
    weights = getattr(network, name)[place]
    weights[:, width:] = torch.randn(weights.shape[0], weights.shape[1] - width, generator=generator)
    slot = place[0], (place[1] if node[0] == "a" else -1)
    written = network.writes(network(prompts)[1])[slot]
    sizes = [
        (part - part.mean((0, 1))).pow(2).sum(-1).mean().sqrt() for part in (written[..., :width], written[..., width:])
    ]
    weights[:, width:] *= noise * sizes[0] / sizes[1]
