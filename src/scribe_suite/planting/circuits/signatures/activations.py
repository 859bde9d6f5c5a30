"""Statistics of one forward pass over prompts: how much every node writes, where, and how it is spread.

Nothing is patched, and effects on the logits are not used. Only what a node writes to the residual stream is used,
since the basis of ``hook_z`` is arbitrary.
"""

from __future__ import annotations

import torch
from jaxtyping import Float64, Int
from torch import Tensor
from torch.nn import functional

from scribe_suite.planting.circuits.patchable import PatchableTransformer
from scribe_suite.planting.circuits.signatures.matrices import cosine, kurtosis, log

#: Writes whose distances to each other are compared.
_COMPARED = 128
#: Nearer writes, relative to a middling distance, count as equal.
_NO_DISTANCE = 1e-3

Values = dict[str, Float64[Tensor, ""]]


@torch.no_grad()
def activation_statistics(
    network: PatchableTransformer, tokens: Int[Tensor, "prompt position"]
) -> dict[str, dict[str, Float64[Tensor, ""]]]:
    """Node -> statistic -> value.

    Args:
        network: In double precision.
        tokens: Prompts; some hundred are enough.
    """
    shape = network.shape
    streams = network.residual_streams(tokens)
    _, values = network(tokens)
    writes = network.writes(values)
    scores = network.attention_scores(tokens)
    found: dict[str, Values] = {}
    for layer in range(shape.n_layers):
        for head in range(shape.n_heads):
            write = writes[layer, head]
            found[f"a{layer}.h{head}"] = (
                _write(write, tokens) | _beside(write, streams[f"pre{layer}"]) | _attention(scores[layer][:, head])
            )
        before = streams[f"mid{layer}"]
        read = before if shape.normalization is None else functional.layer_norm(before, before.shape[-1:])
        reading, writing = network.W_in[layer].norm(dim=0), network.W_out[layer].norm(dim=1)
        inner = (read @ network.W_in[layer] + network.b_in[layer]) / reading
        write = writes[layer, -1]
        found[f"m{layer}"] = _write(write, tokens) | _beside(write, before) | _neurons(inner, reading * writing)
    return found


def _write(write: Float64[Tensor, "prompt position d_model"], tokens: Int[Tensor, "prompt position"]) -> Values:
    centre = write.mean(0)
    constant = centre.mean(0)
    varying = write - centre
    spreads = varying.pow(2).sum(-1).mean(0)
    spread = spreads.mean().sqrt()
    total = write.pow(2).sum(-1).mean().sqrt()
    between = (centre - constant).pow(2).sum(-1).mean().sqrt()
    norms = write.norm(dim=-1)
    share = spreads / (spreads.sum() + 1e-12)
    rows = varying.flatten(0, 1)
    energies, directions = torch.linalg.eigh(rows.T @ rows)
    energy = energies / (energies.sum() + 1e-12)
    leading = rows @ directions[:, -1]
    last = varying[:, -1]
    last_moment = last.T @ last
    return {
        "write, size": log(total),
        "write, spread": log(spread),
        "write, constant": log(constant.norm()),
        "write, between positions": log(between),
        "write, spread over size": log(spread / (total + 1e-12)),
        "write, positions over spread": log(between / (spread + 1e-12)),
        "write, constant over spread": log(constant.norm() / (spread + 1e-12)),
        "write, norms unequal": log(norms.std() / (norms.mean() + 1e-12)),
        "write, tails of norms": log(kurtosis(norms.flatten())),
        "write, spread at one position": log(share.max()),
        "write, spread over positions": -(share * log(share)).sum(),
        "write, spread at the last position": log(share[-1]),
        "write, rank": log(1 / energy.pow(2).sum()),
        "write, leading share": log(energy[-1]),
        "write, tails of leading": log(kurtosis(leading)),
        # the participation ratio of eigenvalues, without the eigenvalues
        "write, rank at the last position": log(last_moment.trace().pow(2) / (last_moment.pow(2).sum() + 1e-12)),
        "write, known from the token": _known_from(varying, tokens),
        "write, clusters": _clusters(rows),
        "write, clusters at the last position": _clusters(last),
    }


def _known_from(varying: Float64[Tensor, "prompt position d_model"], tokens: Int[Tensor, "prompt position"]) -> Tensor:
    """The share of the spread that lies between tokens, position by position."""
    explained = torch.zeros((), dtype=torch.float64)
    for position in range(tokens.shape[1]):
        ids, members = torch.unique(tokens[:, position], return_inverse=True)
        sums = varying.new_zeros(len(ids), varying.shape[-1]).index_add_(0, members, varying[:, position])
        counts = torch.bincount(members).double()
        explained = explained + (sums.pow(2).sum(-1) / counts).sum()
    return explained / (varying.pow(2).sum() + 1e-12)


def _clusters(rows: Float64[Tensor, "row d_model"]) -> Tensor:
    """How near the nearest other write is, relative to a middling one: small where writes take a few values."""
    some = rows[:: max(1, len(rows) // _COMPARED)][:_COMPARED]
    distances = torch.cdist(some, some, compute_mode="donot_use_mm_for_euclid_dist")
    middling = distances[~torch.eye(len(some), dtype=torch.bool)].median()
    nearest = distances.fill_diagonal_(float("inf")).min(1).values
    return (nearest.mean() / (middling + 1e-12) + _NO_DISTANCE).log()


def _beside(
    write: Float64[Tensor, "prompt position d_model"], stream: Float64[Tensor, "prompt position d_model"]
) -> Values:
    varying, before = write - write.mean(0), stream - stream.mean(0)
    along = functional.cosine_similarity(write, stream, dim=-1)
    return {
        "write over stream": log(write.norm() / stream.norm()),
        "spread over stream's": log(varying.norm() / before.norm()),
        "write along stream": along.mean(),
        "write along stream, spread": log(along.std()),
        "spread along stream's": cosine(varying, before),
    }


def _attention(scores: Float64[Tensor, "prompt query key"]) -> Values:
    length = scores.shape[-1]
    visible = torch.ones(length, length, dtype=torch.bool).tril()
    pattern = scores.masked_fill(~visible, float("-inf")).softmax(-1)
    entropy = -(pattern * log(pattern)).sum(-1)
    counts = visible.sum(-1)
    relative = entropy[:, 1:] / counts[1:].log()
    mean = (scores * visible).sum(-1, keepdim=True) / counts[:, None]
    spread = (((scores - mean) * visible).pow(2).sum(-1) / counts).mean().sqrt()
    varying = pattern - pattern.mean(0)
    return {
        "attention, entropy": relative.mean(),
        "attention, entropy at the last position": relative[:, -1].mean(),
        "attention, entropy unequal": log(relative.std()),
        "attention, spread of scores": log(spread),
        "attention, largest": pattern.max(-1).values[:, 1:].mean(),
        "attention, varying": log(varying.norm() / pattern.norm()),
        "attention, varying at the last position": log(varying[:, -1].norm() / pattern[:, -1].norm()),
        "attention, to itself": pattern.diagonal(dim1=-2, dim2=-1)[:, 1:].mean(),
        "attention, to the previous": pattern.diagonal(offset=-1, dim1=-2, dim2=-1).mean(),
        "attention, to the first": pattern[:, 1:, 0].mean(),
    }


def _neurons(inner: Float64[Tensor, "prompt position neuron"], size: Float64[Tensor, " neuron"]) -> Values:
    active = inner > 0
    rates = active.double().mean((0, 1))
    written = inner.relu() * size
    means = written.mean((0, 1))
    squares = written.pow(2).mean((0, 1))
    density = means.pow(2) / (squares + 1e-12)
    return {
        "neurons, active": rates.mean(),
        "neurons, dead": (rates == 0).double().mean(),
        "neurons, always active": (rates == 1).double().mean(),
        "neurons, rates unequal": rates.std(),
        # Treves and Rolls 1991: 1 for a neuron that is always equally active
        "neurons, density": density.mean(),
        "neurons, written unequally": log(squares.sqrt().std() / (squares.sqrt().mean() + 1e-12)),
        "neurons, tails of written": log(kurtosis(squares.sqrt())),
        "neurons, inner over threshold": log(inner.std() / (inner.mean((0, 1)).abs().mean() + 1e-12)),
    }
