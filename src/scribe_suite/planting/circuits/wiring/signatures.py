"""Statistics of edges that need no experiment: products of weights, and the variation of what passes.

Composition scores are those of Elhage et al. 2021, which `planting.circuits.signatures` computes for nodes.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float64, Int
from torch import Tensor

from scribe_suite.planting.circuits.patchable import PatchableTransformer
from scribe_suite.planting.circuits.signatures.composition import grams, pairwise_composition
from scribe_suite.planting.circuits.signatures.maps import model_maps
from scribe_suite.planting.circuits.wiring.edges import EMBED, Edge, Role
from scribe_suite.planting.hooked import ModelWeights

_ROLE_NAMES: dict[Role, str] = {"q": "query", "k": "key", "v": "value", "in": "in"}


@torch.no_grad()
def edge_signatures(
    weights: ModelWeights, edges: Sequence[Edge], prompts: Int[Tensor, "prompt position"]
) -> dict[str, Float64[Tensor, " edge"]]:
    """Compute statistic -> a number for each edge.

    Args:
        weights: Weights of a network without LayerNorm.
        edges: Edges between its nodes, and from the embedding.
        prompts: Prompts for the statistics that need a forward pass.

    Returns:
        ``composition``, the norm of the product of the writer's and the reader's weights, relative to both;
        ``composition, largest``, only its largest singular value; ``product``, the unnormalised norm; ``product of
        weights``, without the later weights of a head or an MLP; ``read``, the variation of what passes over prompts;
        ``composition, relative to the reader's``, the first minus its mean over all edges into the same input.
    """
    maps = model_maps(weights)
    nodes = {node.name: node for node in maps.nodes}
    network = PatchableTransformer.from_weights(weights).double()
    written = {EMBED: maps.tokens, **{name: node.writer for name, node in nodes.items()}}
    writes = _writes(network, prompts)
    found: dict[str, list[Tensor]] = {}
    for edge in edges:
        writer, reader = written[edge.writer], nodes[edge.reader].readers[_ROLE_NAMES[edge.role]]
        product = writer @ reader
        raw = writer @ _raw(network, edge)
        values = {
            "composition": pairwise_composition(grams([writer]), grams([reader.T]))[0, 0],
            "composition, largest": torch.linalg.matrix_norm(product, 2) / (writer.norm() * reader.norm()),
            "product": product.norm(),
            "product of weights": raw.norm(),
            "read": (writes[edge.writer] @ reader).std(0).norm(),
            "read by weights": (writes[edge.writer] @ _raw(network, edge)).std(0).norm(),
        }
        for name, value in values.items():
            found.setdefault(name, []).append(value)
    columns = {name: torch.stack(values) for name, values in found.items()}
    receivers = [edge.receiver for edge in edges]
    for name in tuple(columns):
        logs = columns[name].clamp(min=1e-12).log()
        means = {one: logs[[other == one for other in receivers]].mean() for one in set(receivers)}
        columns[f"{name}, relative to the reader's"] = logs - torch.stack([means[one] for one in receivers])
    return columns


def _raw(network: PatchableTransformer, edge: Edge) -> Float64[Tensor, "d_model inner"]:
    layer, _, head = edge.reader[1:].partition(".h")
    if not head:
        weights: Tensor = network.W_in[int(layer)]
        return weights
    found: Tensor = getattr(network, f"W_{edge.role.upper()}")[int(layer), int(head)]
    return found


def _writes(network: PatchableTransformer, prompts: Int[Tensor, "prompt position"]) -> dict[str, Tensor]:
    """The outputs of every node and of the embedding at the last position."""
    stacked = network.writes(network(prompts)[1])
    shape = network.shape
    found = {EMBED: network.W_E[prompts[:, -1]]}
    for layer in range(shape.n_layers):
        for slot, node in enumerate((*(f"a{layer}.h{head}" for head in range(shape.n_heads)), f"m{layer}")):
            found[node] = stacked[layer, slot, :, -1]
    return found
