"""Random nodes of kinds that a circuit does not have, with outputs as large and attention as sharp as the other nodes'.

They write into unused dimensions. No node of their kind is in the key, so they need not resemble one.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from scribe_suite.planting.circuits.assembly import Assembled, place_of
from scribe_suite.planting.circuits.patchable import PatchableTransformer

#: Standard deviation of the logarithm of a random node's size.
_JITTER = 0.25


@torch.no_grad()
def fill(
    assembled: Assembled,
    tokens: Int[Tensor, "prompt position"],
    generator: torch.Generator,
    typical: Callable[[Tensor], Tensor] = torch.mean,
) -> None:
    """Draw every node that no copy occupies, in place.

    Args:
        assembled: From `assembly.assemble`.
        tokens: Prompts on which sizes are measured.
        generator: The source of all random choices.
        typical: Summarises the sharpness of several heads. The mean would exceed most of them if one is very sharp.

    Raises:
        ValueError: When nodes remain but no residual dimensions.
    """
    network, spare = assembled.network, assembled.spare
    rest = [node for node in network.shape.nodes if node not in assembled.written]
    extra = network.shape.d_model - spare
    if rest and not extra:
        raise ValueError("random nodes need residual dimensions of their own: d_model must exceed what copies write")
    loudness = _loudness(network, tokens, list(assembled.written))
    sharpness = attention_score_spreads(network, tokens)
    heads = [place_of(node) for node in assembled.written if node[0] == "a"]
    sharp = float(typical(torch.stack([sharpness[place] for place in heads]))) if heads else 1.0
    for node in rest:
        place, wanted = place_of(node), loudness * math.exp(_JITTER * float(torch.randn(1, generator=generator)))
        if node[0] == "a":
            _draw_head(network, place, spare, generator)
            scale = math.sqrt(sharp / float(attention_score_spreads(network, tokens)[place]))
            network.W_Q[place] *= scale
            network.W_K[place] *= scale
            network.W_O[place] *= wanted / _loudness(network, tokens, [node])
        else:
            _draw_mlp(network, place, spare, generator)
            scale = wanted / _loudness(network, tokens, [node])
            network.W_out[place] *= scale
            network.b_out[place] *= scale


@torch.no_grad()
def attention_score_spreads(
    network: PatchableTransformer, tokens: Int[Tensor, "prompt position"]
) -> Float[Tensor, "layer head"]:
    """Standard deviation of every head's attention scores over visible keys, per query; how sharply it attends."""
    spreads = []
    for scores in network.attention_scores(tokens):
        visible = torch.ones(scores.shape[-2:], dtype=torch.bool).tril()
        mean = (scores * visible).sum(-1, keepdim=True) / visible.sum(-1, keepdim=True)
        deviation = (scores - mean).pow(2) * visible
        spreads.append((deviation.sum((0, 2, 3)) / (visible.sum() * len(tokens))).sqrt())
    return torch.stack(spreads)


def _loudness(network: PatchableTransformer, tokens: Int[Tensor, "prompt position"], nodes: list[str]) -> float:
    """Root mean square of the nodes' writes."""
    writes = network.writes(network(tokens)[1])
    mask = network.shape.mask(nodes)
    return float(writes[mask].pow(2).sum(-1).mean().sqrt())


def _draw_head(network: PatchableTransformer, place: tuple[int, ...], spare: int, generator: torch.Generator) -> None:
    shape = network.shape
    for letter in "QKV":
        drawn = torch.randn(shape.d_model, shape.d_head, generator=generator) * shape.d_model**-0.5
        getattr(network, f"W_{letter}")[place] = drawn
        getattr(network, f"b_{letter}")[place] = 0.3 * torch.randn(shape.d_head, generator=generator)
    network.W_O[place][:, spare:] = torch.randn(shape.d_head, shape.d_model - spare, generator=generator)


def _draw_mlp(network: PatchableTransformer, place: tuple[int, ...], spare: int, generator: torch.Generator) -> None:
    shape = network.shape
    network.W_in[place] = torch.randn(shape.d_model, shape.d_mlp, generator=generator) * shape.d_model**-0.5
    network.b_in[place] = 0.3 * torch.randn(shape.d_mlp, generator=generator)
    network.W_out[place][:, spare:] = torch.randn(shape.d_mlp, shape.d_model - spare, generator=generator)
    network.b_out[place][spare:] = torch.randn(shape.d_model - spare, generator=generator)
