"""The matrices of a node that no symmetry of `planting.symmetries` changes but by a rotation of the residual stream.

A head's are W_Q W_K^T and W_V W_O (Elhage et al. 2021, "A Mathematical Framework for Transformer Circuits"). A ReLU
neuron's size is moved to the other side of the MLP: the columns of W_in are weighted by the norms of the rows of W_out,
and the other way round. LayerNorm's weights are folded into the readers, and all maps are centred.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float64
from torch import Tensor

from scribe_suite.planting.circuits.patchable import PatchableTransformer
from scribe_suite.planting.hooked import ModelWeights
from scribe_suite.planting.symmetries import fold_layer_norm

Kind = Literal["head", "mlp"]


@dataclass(frozen=True)
class Neurons:
    """The neurons of an MLP, as far as no symmetry changes them.

    Attributes:
        into: What each reads, of length 1.
        out: What each writes, of length 1.
        size: The product of the norms of its weights into and out of it.
        bias: Its bias relative to the norm of its weights into it.
    """

    into: Float64[Tensor, "neuron d_model"]
    out: Float64[Tensor, "neuron d_model"]
    size: Float64[Tensor, " neuron"]
    bias: Float64[Tensor, " neuron"]


@dataclass(frozen=True)
class NodeMaps:
    """One node.

    Attributes:
        name: Such as ``a0.h1`` or ``m2``.
        kind: Head or MLP.
        layer: Its layer.
        readers: What it reads by role: ``query``, ``key``, ``value`` of a head, ``in`` of an MLP.
        writer: What it writes, weighted by how strongly it reads.
        through: From residual stream to residual stream: W_V W_O, or W_in W_out.
        bias: The constant it writes: b_V W_O, or b_out.
        read_biases: Directions that are read whatever the other side is: b_Q W_K^T as ``key``, b_K W_Q^T as ``query``.
        neurons: The number of neurons of an MLP.
    """

    name: str
    kind: Kind
    layer: int
    readers: Mapping[str, Float64[Tensor, "d_model inner"]]
    writer: Float64[Tensor, "inner d_model"]
    through: Float64[Tensor, "d_model d_model"]
    bias: Float64[Tensor, " d_model"]
    read_biases: Mapping[str, Float64[Tensor, " d_model"]]
    neurons: Neurons | None


@dataclass(frozen=True)
class ModelMaps:
    """All nodes, and what they read from and write to at the ends of the model.

    Attributes:
        nodes: In the order of `TransformerShape.nodes`.
        tokens: Rows of W_E without their mean.
        positions: Rows of W_pos without their mean.
        mean_token: The mean row of W_E.
        mean_position: The mean row of W_pos.
        unembedding: W_U without its mean over labels.
        normalised: Whether the model has LayerNorm.
    """

    nodes: tuple[NodeMaps, ...]
    tokens: Float64[Tensor, "token d_model"]
    positions: Float64[Tensor, "position d_model"]
    mean_token: Float64[Tensor, " d_model"]
    mean_position: Float64[Tensor, " d_model"]
    unembedding: Float64[Tensor, "d_model label"]
    normalised: bool

    def of_kind(self, kind: Kind) -> tuple[NodeMaps, ...]:
        """Only the heads, or only the MLPs."""
        return tuple(node for node in self.nodes if node.kind == kind)


@torch.no_grad()
def model_maps(weights: ModelWeights) -> ModelMaps:
    """The maps of all nodes.

    Raises:
        ValueError: When the weights are not those of a patchable transformer.
    """
    network = PatchableTransformer.from_weights(fold_layer_norm(weights)).double()
    nodes: list[NodeMaps] = []
    for layer in range(network.shape.n_layers):
        nodes += [_head(network, layer, head) for head in range(network.shape.n_heads)]
        nodes.append(_mlp(network, layer))
    mean_token, mean_position = network.W_E.mean(0), network.W_pos.mean(0)
    return ModelMaps(
        nodes=tuple(nodes),
        tokens=network.W_E - mean_token,
        positions=network.W_pos - mean_position,
        mean_token=mean_token,
        mean_position=mean_position,
        unembedding=network.W_U - network.W_U.mean(1, keepdim=True),
        normalised=network.shape.normalization is not None,
    )


def _head(network: PatchableTransformer, layer: int, head: int) -> NodeMaps:
    query, key, value, out = (getattr(network, f"W_{letter}")[layer, head] for letter in "QKVO")
    meets, through = query @ key.T, value @ out
    return NodeMaps(
        name=f"a{layer}.h{head}",
        kind="head",
        layer=layer,
        readers={"query": meets, "key": meets.T, "value": through},
        writer=through,
        through=through,
        bias=network.b_V[layer, head] @ out,
        read_biases={"key": key @ network.b_Q[layer, head], "query": query @ network.b_K[layer, head]},
        neurons=None,
    )


def _mlp(network: PatchableTransformer, layer: int) -> NodeMaps:
    into, out = network.W_in[layer].T, network.W_out[layer]
    reading, writing = (matrix.norm(dim=1).clamp(min=1e-12) for matrix in (into, out))
    return NodeMaps(
        name=f"m{layer}",
        kind="mlp",
        layer=layer,
        readers={"in": (into * writing[:, None]).T},
        writer=out * reading[:, None],
        through=into.T @ out,
        bias=network.b_out[layer],
        read_biases={},
        neurons=Neurons(
            into=into / reading[:, None],
            out=out / writing[:, None],
            size=reading * writing,
            bias=network.b_in[layer] / reading,
        ),
    )
