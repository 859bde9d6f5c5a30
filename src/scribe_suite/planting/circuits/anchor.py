"""A network with LayerNorm that computes the same as one without: a large constant dominates the norm of every stream.

LayerNorm's divisor depends on the writes of all nodes: ablating nodes with large writes would scale everything that the
others read. A long constant vector in the residual stream, which no node reads, keeps the divisor nearly constant
whatever they write. The certificate bounds the remaining effect. Large constants like this one are common in trained
models (Sun et al. 2024, "Massive Activations in Large Language Models", arXiv 2402.17762).
"""

from __future__ import annotations

from dataclasses import replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from scribe_suite.planting.circuits.patchable import PatchableTransformer
from scribe_suite.planting.circuits.random_maps import isometry

#: Dimensions that LayerNorm costs: that of the mean, which it subtracts, and that of the constant.
DIMENSIONS = 2

_WRITERS = ("W_E", "W_pos", "W_O", "b_O", "W_out", "b_out")
_READERS = ("W_Q", "W_K", "W_V", "W_in", "W_U")


@torch.no_grad()
def under_layer_norm(
    plain: PatchableTransformer,
    tokens: Int[Tensor, "prompt position"],
    anchor: float,
    generator: torch.Generator,
) -> PatchableTransformer:
    """The same network with LayerNorm, as nearly as a constant of this length makes it.

    Args:
        plain: Without LayerNorm.
        tokens: Prompts on which lengths are measured.
        anchor: Length of the constant, relative to the length that all nodes' writes have together.
        generator: Draws the directions.

    Returns:
        A network that is `DIMENSIONS` wider.

    Raises:
        ValueError: When `plain` has LayerNorm.
    """
    if plain.shape.normalization is not None:
        raise ValueError("only a network without LayerNorm can be put under LayerNorm")
    width = plain.shape.d_model + DIMENSIONS
    network = PatchableTransformer(replace(plain.shape, d_model=width, normalization="LN"))
    basis = _without_mean(width, generator)  # its last row is the constant's direction
    for name, parameter in plain.named_parameters():
        own: Tensor = parameter
        if name in _WRITERS:
            own = parameter @ basis[:-1]
        elif name in _READERS:
            own = basis[:-1].T @ parameter
        getattr(network, name).copy_(own)
    writes = plain.writes(plain(tokens)[1])
    together = writes.pow(2).sum(-1).mean((2, 3)).sum().sqrt()
    network.W_pos.add_(anchor * together * basis[-1])
    for layer in range(network.shape.n_layers):
        divided = _divisor(network, tokens, f"pre{layer}")
        for letter in "QKV":
            getattr(network, f"W_{letter}")[layer] *= divided
        network.W_in[layer] *= _divisor(network, tokens, f"mid{layer}")
    network.W_U.mul_(_divisor(network, tokens, "final"))
    return network


def _divisor(network: PatchableTransformer, tokens: Int[Tensor, "prompt position"], place: str) -> float:
    """LayerNorm's mean divisor."""
    return float(network.residual_streams(tokens)[place].std(-1, correction=0).mean())


def _without_mean(width: int, generator: torch.Generator) -> Float[Tensor, "width-1 width"]:
    """Orthonormal rows, all orthogonal to the direction of the mean."""
    ones = torch.full((1, width), width**-0.5)
    drawn = isometry(width - 1, width, generator)
    q, _ = torch.linalg.qr(torch.cat([ones, drawn - (drawn @ ones.T) @ ones]).T)
    orthogonal: Tensor = q.T[1:]
    return orthogonal
