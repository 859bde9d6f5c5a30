"""Equal weight norms for all nodes, by exact symmetries: so that no ranking of weights finds the circuit.

Inside a head, size can be moved between query and key weights, and between value and output weights; inside an MLP with
ReLU the weights into and out of the neurons. Every node gets the same norm over all its weights, heads get the same
size of ``hook_z``, and fresh instances then vary both (`planting.symmetries`).
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from scribe_suite.planting.circuits.patchable import PatchableTransformer

#: The common norm is this much above the smallest one that the node with the largest weights can have.
_MARGIN = 1.05


@torch.no_grad()
def equalise_norms(
    network: PatchableTransformer, tokens: Int[Tensor, "prompt position"], generator: torch.Generator
) -> None:
    """Give every node the same Frobenius norm over all its weight matrices, in place; the function stays the same.

    Args:
        network: With ReLU MLPs.
        tokens: Prompts on which the size of ``hook_z`` is measured.
        generator: Decides which side of a pair of weights becomes the larger one.

    Raises:
        ValueError: When the activation is not ReLU.
    """
    if network.shape.act_fn != "relu":
        raise ValueError("the weights of an MLP can only trade size with ReLU neurons")
    _, values = network(tokens)
    sizes = values.heads.pow(2).sum(-1).mean((1, 2)).sqrt()
    value, output = _norms(network.W_V), _norms(network.W_O)
    common_size = (sizes * (output / value).sqrt()).log().mean().exp()
    _trade_within_heads(network, "V", "O", common_size / sizes)

    reading = _norms(network.W_V).pow(2) + _norms(network.W_O).pow(2)
    query, key = _norms(network.W_Q), _norms(network.W_K)
    into, out = network.W_in.flatten(1).norm(dim=-1), network.W_out.flatten(1).norm(dim=-1)
    common = _MARGIN * max((reading + 2 * query * key).max().item(), (2 * into * out).max().item())
    _trade_within_heads(network, "Q", "K", _factor(query, key, common - reading, generator))
    scale = _factor(into, out, torch.full_like(into, common), generator)
    network.W_in.mul_(scale[:, None, None])
    network.b_in.mul_(scale[:, None])
    network.W_out.div_(scale[:, None, None])


def _norms(matrices: Float[Tensor, "layer head row column"]) -> Float[Tensor, "layer head"]:
    norms: Tensor = matrices.flatten(2).norm(dim=-1)
    return norms


def _trade_within_heads(
    network: PatchableTransformer, first: str, second: str, factor: Float[Tensor, "layer head"]
) -> None:
    for letter, scale in ((first, factor), (second, 1 / factor)):
        getattr(network, f"W_{letter}").mul_(scale[:, :, None, None])
        if letter != "O":  # b_O is added after the heads' sum and belongs to none of them
            getattr(network, f"b_{letter}").mul_(scale[:, :, None])


def _factor(
    first: Float[Tensor, "..."], second: Float[Tensor, "..."], wanted: Float[Tensor, "..."], generator: torch.Generator
) -> Float[Tensor, "..."]:
    """The factor c for which (c * first)² + (second / c)² has the target value; one of the two solutions is drawn."""
    root = (wanted.pow(2) - (2 * first * second).pow(2)).clamp(min=0.0).sqrt()
    first_larger = torch.rand(first.shape, generator=generator) < 0.5
    return torch.where(first_larger, (wanted + root) / (2 * first.pow(2)), 2 * second.pow(2) / (wanted + root)).sqrt()
