"""Statistics of an MLP's neurons that do not change when neurons are reordered or ReLU neurons rescaled."""

from __future__ import annotations

import torch
from jaxtyping import Float64
from torch import Tensor

from scribe_suite.planting.circuits.signatures.maps import ModelMaps, Neurons, NodeMaps
from scribe_suite.planting.circuits.signatures.matrices import cosine, distribution, log, sizes, spectrum


def neuron_statistics(maps: ModelMaps, node: NodeMaps, neurons: Neurons) -> dict[str, Float64[Tensor, ""]]:
    """All statistics of one MLP."""
    echo = (neurons.into * neurons.out).sum(1)
    found = {
        **sizes("neuron size", neurons.size),
        **distribution("neuron bias", neurons.bias),
        **distribution("input-output cosine", echo),
        **spectrum("into", node.readers["in"]),
        **spectrum("out", node.writer),
        **_likeness("into", neurons.into),
        **_likeness("out", neurons.out),
        "positive biases": (neurons.bias > 0).double().mean(),
        "size and bias": _correlation(neurons.size, neurons.bias),
        "size and input-output cosine": _correlation(neurons.size, echo),
        "bias and input-output cosine": _correlation(neurons.bias, echo),
        "likeness of inputs and outputs": _correlation(_pairs(neurons.into), _pairs(neurons.out)),
        "bias over neurons": log(node.bias.norm() / neurons.size.sum()),
        "bias over out": log(node.bias.norm() / node.writer.norm()),
        "through over neurons": log(node.through.norm() / neurons.size.norm()),
        "bias against neurons at rest": cosine(node.bias, _at_rest(neurons)),
        "output at rest": log(_at_rest(neurons).norm() / node.writer.norm()),
        "bias and output at rest": log((node.bias + _at_rest(neurons)).norm()),
    }
    return found | _on_embeddings(maps, node, neurons)


def _on_embeddings(maps: ModelMaps, node: NodeMaps, neurons: Neurons) -> dict[str, Float64[Tensor, ""]]:
    """What the MLP makes of every token at every position when no other node has written anything."""
    stream = (maps.tokens + maps.mean_token)[:, None] + maps.positions + maps.mean_position
    if maps.normalised:
        stream = stream - stream.mean(-1, keepdim=True)
        stream = stream / stream.pow(2).mean(-1, keepdim=True).sqrt()
    inner = stream @ neurons.into.T + neurons.bias
    active = inner.relu()
    out = (active * neurons.size) @ neurons.out + node.bias
    mean = out.mean((0, 1))
    by_token, by_position = out.mean(1) - mean, out.mean(0) - mean
    centred = out - mean
    spread = centred.pow(2).sum(-1).mean().sqrt()
    return {
        "bias against threshold": log(neurons.bias.abs().mean() / ((inner - neurons.bias).std() + 1e-12)),
        "embeddings, active": (inner > 0).double().mean(),
        "embeddings, dead": (inner <= 0).all(0).all(0).double().mean(),
        "embeddings, always active": (inner > 0).all(0).all(0).double().mean(),
        "embeddings, spread": log(spread),
        "embeddings, constant": log(mean.norm()),
        "embeddings, constant over spread": log(mean.norm() / (spread + 1e-12)),
        "embeddings, bias over spread": log(node.bias.norm() / (spread + 1e-12)),
        "embeddings, by token": log(by_token.pow(2).sum(-1).mean().sqrt() / (spread + 1e-12)),
        "embeddings, by position": log(by_position.pow(2).sum(-1).mean().sqrt() / (spread + 1e-12)),
        "embeddings, rank": spectrum("", centred.flatten(0, 1))[", participation ratio"],
        "embeddings, rank by token": spectrum("", by_token)[", participation ratio"],
        "embeddings, bias against the rest": cosine(node.bias, mean - node.bias),
    }


def _at_rest(neurons: Neurons) -> Float64[Tensor, " d_model"]:
    return (neurons.bias.relu() * neurons.size) @ neurons.out


def _likeness(name: str, rows: Float64[Tensor, "neuron d_model"]) -> dict[str, Float64[Tensor, ""]]:
    """How similar the directions of neurons are."""
    cosines = _pairs(rows)
    gram = torch.linalg.svdvals(rows).pow(2)
    nearest = ((rows @ rows.T) - 2 * torch.eye(len(rows), dtype=rows.dtype)).max(1).values
    return {
        f"{name}, mean cosine": cosines.mean(),
        f"{name}, cosines": log(cosines.pow(2).mean().sqrt()),
        f"{name}, largest cosines": nearest.mean(),
        f"{name}, rank of directions": log(gram.sum().pow(2) / gram.pow(2).sum()),
    }


def _pairs(rows: Float64[Tensor, "neuron d_model"]) -> Float64[Tensor, " pair"]:
    upper = torch.ones(len(rows), len(rows), dtype=torch.bool).triu(1)
    return (rows @ rows.T)[upper]


def _correlation(first: Float64[Tensor, " n"], second: Float64[Tensor, " n"]) -> Float64[Tensor, ""]:
    return cosine(first - first.mean(), second - second.mean())
