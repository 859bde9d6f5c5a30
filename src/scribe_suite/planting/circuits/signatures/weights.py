"""Statistics of single nodes that need only weights: sizes, spectra, biases, and how they meet the embeddings."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from jaxtyping import Float64
from torch import Tensor

from scribe_suite.planting.circuits.signatures.maps import ModelMaps, NodeMaps
from scribe_suite.planting.circuits.signatures.matrices import composition, cosine, kurtosis, log, spectrum, square
from scribe_suite.planting.circuits.signatures.neurons import neuron_statistics

#: Statistic -> value.
Values = dict[str, Float64[Tensor, ""]]


@torch.no_grad()
def weight_statistics(maps: ModelMaps, node: NodeMaps) -> Values:
    """All statistics of one node."""
    found = {**spectrum("through", node.through), **square("through", node.through)}
    found |= _biases(maps, node) | _embeddings(maps, node)
    if node.neurons is not None:
        return found | neuron_statistics(maps, node, node.neurons)
    return found | _meeting(maps, node)


def _biases(maps: ModelMaps, node: NodeMaps) -> Values:
    others = [other for other in maps.nodes if other.name != node.name]
    total = torch.stack([other.bias for other in others]).sum(0)
    stream = maps.mean_token + maps.mean_position.expand_as(maps.mean_token)
    found: Values = {
        "bias": log(node.bias.norm()),
        "bias over through": log(node.bias.norm()) - log(node.through.norm()),
        "bias and mean token": cosine(node.bias, maps.mean_token),
        "bias and mean position": cosine(node.bias, maps.mean_position),
        "bias and mean stream": cosine(node.bias, stream),
        "bias and other biases": cosine(node.bias, total),
        "bias along the tokens": log(composition(node.bias[None], maps.tokens.T)),
        "bias along the positions": log(composition(node.bias[None], maps.positions.T)),
        "bias along what is written": log(composition(node.bias[None], node.through.T)),
        "bias along what is read": log(composition(node.bias[None], node.through)),
    }
    for role, vector in node.read_biases.items():
        size = node.readers[role].norm()
        found |= {
            f"{role} bias": log(vector.norm()),
            f"{role} bias over map": log(vector.norm() / (size + 1e-12)),
            f"{role} bias and mean token": cosine(vector, maps.mean_token),
            f"{role} bias and mean position": cosine(vector, maps.mean_position),
            f"{role} bias on tokens": log((maps.tokens @ vector).std(correction=0)),
            f"{role} bias on positions": log((maps.positions @ vector).std(correction=0)),
            f"{role} bias on tokens over map": log(
                (maps.tokens @ vector).norm() / ((maps.tokens @ node.readers[role]).norm() + 1e-12)
            ),
        }
    return found


def _sources(maps: ModelMaps) -> Mapping[str, Float64[Tensor, "row d_model"]]:
    return {
        "tokens": maps.tokens,
        "positions": maps.positions,
        "mean token": maps.mean_token[None],
        "mean position": maps.mean_position[None],
    }


def _embeddings(maps: ModelMaps, node: NodeMaps) -> Values:
    found: Values = {}
    for source, rows in _sources(maps).items():
        for role, reader in node.readers.items():
            read = rows @ reader
            found[f"{role} reads {source}"] = log(composition(rows, reader))
            if len(rows) > 1:
                norms = read.norm(dim=1)
                found[f"{role} reads {source}, unequally"] = log(norms.std(correction=0) / (norms.mean() + 1e-12))
                found[f"{role} reads {source}, tails"] = log(kurtosis(norms))
                found[f"{role} reads {source}, rank"] = spectrum("", read)[", participation ratio"]
        found[f"writes into {source}"] = log(composition(node.writer, rows.T))
    for role, reader in node.readers.items():
        found[f"{role}, tokens against positions"] = log(composition(maps.tokens, reader)) - log(
            composition(maps.positions, reader)
        )
        found[f"{role}, mean stream"] = log(composition((maps.mean_token + maps.mean_position)[None], reader))
    echo = maps.tokens @ node.through @ maps.tokens.T
    found["through, token to itself"] = _diagonal(echo)
    return found


def _meeting(maps: ModelMaps, node: NodeMaps) -> Values:
    """How queries and keys of tokens and positions meet."""
    meets = node.readers["query"]
    found: Values = {**spectrum("meets", meets), **square("meets", meets)}
    found["meets against through"] = found["meets, Frobenius norm"] - log(node.through.norm())
    for role, reader in (("query", meets), ("key", meets.T)):
        found[f"{role} and value read the same"] = log(composition(reader.T, node.through))
        found[f"{role} reads what is written"] = log(composition(node.through, reader))
    sources = {"token": maps.tokens, "position": maps.positions}
    for asking, queries in sources.items():
        for asked, keys in sources.items():
            scores = queries @ meets @ keys.T
            name = f"{asking} asks {asked}"
            found[f"{name}, size"] = log(composition(queries @ meets, keys.T))
            found[f"{name}, tails"] = log(kurtosis(scores.flatten()))
            found[f"{name}, rank"] = spectrum("", scores)[", participation ratio"]
            if asking == asked:
                found[f"{name}, itself"] = _diagonal(scores)
    scores = maps.positions @ meets @ maps.positions.T
    if len(scores) > 2:
        spread = scores.std(correction=0) + 1e-12
        found["position asks position, previous"] = (scores.diagonal(-1).mean() - scores.mean()) / spread
        found["position asks position, first"] = (scores[:, 0].mean() - scores.mean()) / spread
        found["position asks position, near"] = _nearness(scores)
    from_mean = maps.mean_position @ meets
    found["mean position asks token"] = log(composition(from_mean[None], maps.tokens.T))
    found["mean token asks position"] = log(composition((maps.mean_token @ meets)[None], maps.positions.T))
    from_last = (maps.positions[-1] + maps.mean_position) @ meets
    found["last position asks position"] = log(composition(from_last[None], maps.positions.T))
    found["last position asks token"] = log(composition(from_last[None], maps.tokens.T))
    return found


def _diagonal(scores: Float64[Tensor, "n n"]) -> Float64[Tensor, ""]:
    """How far the mean of the diagonal is from the mean of all, in standard deviations."""
    return (scores.diagonal().mean() - scores.mean()) / (scores.std(correction=0) + 1e-12)


def _nearness(scores: Float64[Tensor, "n n"]) -> Float64[Tensor, ""]:
    places = torch.arange(len(scores), dtype=scores.dtype)
    distance = (places[:, None] - places).abs()
    centred = distance - distance.mean()
    return cosine(centred, scores - scores.mean())
