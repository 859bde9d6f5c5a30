"""A large constant in the residual stream that no node reads, so that LayerNorm divides by nearly the same everywhere.

What LayerNorm divides by depends on what all nodes write. Ablating loud nodes outside a circuit would shrink it, and
scale everything the circuit reads: its attention would sharpen, its biases would count for less. Next to a long
constant vector no node's write changes the length of the stream much.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from scribe_suite.planting.circuits.patchable import PatchableTransformer


@torch.no_grad()
def deafened(
    matrix: Float[Tensor, "d_model out"], direction: Float[Tensor, " d_model"]
) -> Float[Tensor, "d_model out"]:
    """The matrix without what it reads of a direction of length 1."""
    return matrix - torch.outer(direction, direction @ matrix)


@torch.no_grad()
def read_as_biases(
    network: PatchableTransformer, direction: Float[Tensor, " d_model"], tokens: Int[Tensor, "prompt position"]
) -> None:
    """Let no node read the constant any more, in place; what each reads of it on average becomes its bias.

    Training teaches the circuit to use the constant as a bias. The decoys do not, so that would tell them apart.

    Args:
        network: With LayerNorm whose own weights are neutral, and a constant in its stream.
        direction: Of the constant; length 1, sum 0.
        tokens: Prompts over which the average is taken.
    """
    streams = network.residual_streams(tokens)
    heard = {place: _mean_heard(stream, direction) for place, stream in streams.items()}
    for layer in range(network.shape.n_layers):
        for letter in "QKV":
            matrices, biases = getattr(network, f"W_{letter}")[layer], getattr(network, f"b_{letter}")[layer]
            for head in range(network.shape.n_heads):
                biases[head] += heard[f"pre{layer}"] * (direction @ matrices[head])
                matrices[head] = deafened(matrices[head], direction)
        network.b_in[layer] += heard[f"mid{layer}"] * (direction @ network.W_in[layer])
        network.W_in[layer] = deafened(network.W_in[layer], direction)
    network.b_U.add_(heard["final"] * (direction @ network.W_U))
    network.W_U.copy_(deafened(network.W_U, direction))


def _mean_heard(stream: Float[Tensor, "prompt position d_model"], direction: Float[Tensor, " d_model"]) -> float:
    normalised = (stream - stream.mean(-1, keepdim=True)) / stream.std(-1, correction=0, keepdim=True)
    return float((normalised @ direction).mean())
