"""Statistics of the effect on the logits: a genuine answer from the weights, which counts as a method.

Direct logit attribution, the same for weights without any prompt, paths to the unembedding through one more node, and
how much of what a node writes goes with the label that the model then says.
"""

from __future__ import annotations

import torch
from jaxtyping import Float64, Int
from torch import Tensor

from scribe_suite.planting.circuits.patchable import PatchableTransformer
from scribe_suite.planting.circuits.signatures.composition import ROLES, grams, may_read, pairwise_composition
from scribe_suite.planting.circuits.signatures.maps import ModelMaps
from scribe_suite.planting.circuits.signatures.matrices import composition, kurtosis, log, spectrum


@torch.no_grad()
def unembedded_weights(maps: ModelMaps) -> dict[str, Float64[Tensor, " node"]]:
    """Statistic -> a number per node of the model, from products of weights with the unembedding."""
    unembedding, nodes = maps.unembedding, maps.nodes
    found: dict[str, list[Tensor]] = {}
    direct = torch.stack([composition(node.writer, unembedding) for node in nodes])
    writers = grams([node.writer for node in nodes])
    onward = torch.zeros(len(nodes), len(nodes), dtype=torch.float64)
    for role in ROLES:
        readers = grams([node.readers[role].T if role in node.readers else torch.zeros(1, 1) for node in nodes])
        onward = onward + pairwise_composition(writers, readers) * may_read(nodes)
    for i, node in enumerate(nodes):
        logits = maps.tokens @ node.through @ unembedding
        values = {
            "unembedded": log(direct[i]),
            "unembedded, size": log((node.writer @ unembedding).norm()),
            "unembedded, rank": spectrum("", node.writer @ unembedding)[", participation ratio"],
            "unembedded, largest over size": spectrum("", node.writer @ unembedding)[", stable rank"],
            "unembedded bias": log(composition(node.bias[None], unembedding)),
            "unembedded tokens": log(composition(maps.tokens @ node.through, unembedding)),
            "unembedded tokens, size": log(logits.norm()),
            "unembedded tokens, tails": log(kurtosis(logits.flatten())),
            "unembedded through others": log(onward[i] @ direct + 1e-6),
        }
        for name, value in values.items():
            found.setdefault(name, []).append(value)
    return {name: torch.stack(values) for name, values in found.items()}


@torch.no_grad()
def attributed_logits(
    network: PatchableTransformer, tokens: Int[Tensor, "prompt position"]
) -> dict[str, Float64[Tensor, " node"]]:
    """Statistic -> a number per node of the model, from a forward pass and its logits.

    Args:
        network: In double precision.
        tokens: Prompts.
    """
    logits, values = network(tokens)
    writes = network.writes(values).flatten(0, 1)
    unembedding = network.W_U - network.W_U.mean(1, keepdim=True)
    labels = logits.argmax(-1)
    chosen = unembedding[:, labels].permute(1, 2, 0)
    deviations = network.normaliser(tokens)
    found: dict[str, list[Tensor]] = {}
    for write in writes:
        direct = (write / deviations) @ unembedding
        varying = direct - direct.mean(0)
        spread = (write - write.mean(0)).pow(2).sum(-1).mean(0)
        size = varying.pow(2).sum(-1).mean(0)
        attributed = ((write / deviations) * chosen).sum(-1)
        known = torch.stack([_between(write[:, i], labels[:, i]) for i in range(tokens.shape[1])])
        rows = {
            "logits, spread": log(size.mean().sqrt()),
            "logits, spread at one position": log(size.max().sqrt()),
            "logits, spread at the last position": log(size[-1].sqrt()),
            "logits, spread over write's": log((size / (spread + 1e-12)).max().sqrt()),
            "logits, of the chosen label": attributed.mean(),
            "logits, of the chosen label at the last position": attributed[:, -1].mean(),
            "write, known from the label": known.max(),
            "write, known from the label at the last position": known[-1],
        }
        for name, value in rows.items():
            found.setdefault(name, []).append(value)
    return {name: torch.stack(values) for name, values in found.items()}


def _between(write: Float64[Tensor, "prompt d_model"], labels: Int[Tensor, " prompt"]) -> Tensor:
    """The share of the variance that lies between the labels that the model says."""
    centred = write - write.mean(0)
    ids, members = torch.unique(labels, return_inverse=True)
    sums = torch.zeros(len(ids), write.shape[-1], dtype=torch.float64).index_add_(0, members, centred)
    counts = torch.bincount(members).double()
    return (sums.pow(2).sum(-1) / counts).sum() / (centred.pow(2).sum() + 1e-12)
