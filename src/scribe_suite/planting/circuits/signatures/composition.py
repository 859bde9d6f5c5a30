"""Statistics of pairs of nodes: which reads another's writes, and which are similar.

The scores are the Q-, K- and V-composition of Elhage et al. 2021, with MLPs as readers and writers of the same kind,
and biases as writers of their own. Every node is compared with all others, and with those that can really read it or be
read by it. Its place in the whole graph is the entry of the leading singular vectors.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float64
from torch import Tensor

from scribe_suite.planting.circuits.signatures.maps import ModelMaps, NodeMaps
from scribe_suite.planting.circuits.signatures.matrices import kurtosis, log

#: Smaller scores are rounding.
_NOTHING = 1e-6
#: How many singular values are compared.
_SPECTRUM = 16
#: Roles in which a node reads.
ROLES = ("query", "key", "value", "in")


@torch.no_grad()
def composition_statistics(maps: ModelMaps) -> dict[str, Float64[Tensor, " node"]]:
    """Statistic -> a number per node of the model."""
    nodes, found = maps.nodes, dict[str, Tensor]()
    others, after = ~torch.eye(len(nodes), dtype=torch.bool), may_read(nodes)
    writers = grams([node.writer for node in nodes])
    constants = grams([node.bias[None] for node in nodes])
    total, heard, count = (torch.zeros(len(nodes), len(nodes), dtype=torch.float64) for _ in range(3))
    for role in ROLES:
        reads = torch.tensor([role in node.readers for node in nodes])
        readers = grams([node.readers[role].T if role in node.readers else torch.zeros(1, 1) for node in nodes])
        scores = pairwise_composition(writers, readers).fill_diagonal_(0.0)
        heard = heard + pairwise_composition(constants, readers)
        total, count = total + scores, count + reads
        found |= _summaries(f"written, then {role} of others", scores, others & reads)
        found |= _summaries(f"written, then {role} of later", scores, after & reads)
        found |= _summaries(f"{role} of what others write", scores.T, others & reads[:, None])
        found |= _summaries(f"{role} of what earlier write", scores.T, after.T & reads[:, None])
    heard = heard / count.clamp(min=1)
    found |= _summaries("bias, then others", heard, others)
    found |= _summaries("reads others' biases", heard.T, others)
    found |= _centrality(total / count.clamp(min=1), after)
    return found | _likeness(nodes, writers)


def may_read(nodes: Sequence[NodeMaps]) -> Bool[Tensor, "writer reader"]:
    """Whether the second comes after the first: it is in a later layer, or the MLP of a head's layer."""
    places = torch.tensor([2 * node.layer + (node.kind == "mlp") for node in nodes])
    return places[:, None] < places


def grams(matrices: Sequence[Float64[Tensor, "inner d_model"]]) -> Float64[Tensor, "node d_model*d_model"]:
    """``A^T A`` of every matrix with Frobenius norm 1, flattened; zeros for a matrix that is a placeholder or zero."""
    width = max(matrix.shape[1] for matrix in matrices)
    found = torch.zeros(len(matrices), width, width, dtype=torch.float64)
    for i, matrix in enumerate(matrices):
        if matrix.shape[1] == width:
            scaled = matrix / matrix.norm().clamp(min=1e-12)
            found[i] = scaled.T @ scaled
    return found.flatten(1)


def pairwise_composition(
    writers: Float64[Tensor, "writer d_model*d_model"], readers: Float64[Tensor, "reader d_model*d_model"]
) -> Float64[Tensor, "writer reader"]:
    """The composition scores of all pairs; ``||AB||^2`` is the inner product of ``A^T A`` and ``B B^T``."""
    return (writers @ readers.T).clamp(min=0.0).sqrt()


def _summaries(
    name: str, scores: Float64[Tensor, "node other"], where: Bool[Tensor, "node other"]
) -> dict[str, Float64[Tensor, " node"]]:
    """Over the other nodes for which `where` holds; not a number for a node with fewer than two."""
    rows: dict[str, list[Tensor]] = {"mean": [], "max": [], "variation": [], "kurtosis": []}
    for row, chosen in zip(scores, where, strict=True):
        values = row[chosen]
        if len(values) < 2:
            for kept in rows.values():
                kept.append(torch.tensor(float("nan"), dtype=torch.float64))
            continue
        rows["mean"].append(log(values.mean() + _NOTHING))
        rows["max"].append(log(values.max() + _NOTHING))
        rows["variation"].append(log(values.std(correction=0) / (values.mean() + 1e-12)))
        rows["kurtosis"].append(log(kurtosis(values)))
    return {f"{name}, {summary}": torch.stack(values) for summary, values in rows.items()}


def _centrality(
    scores: Float64[Tensor, "writer reader"], after: Bool[Tensor, "writer reader"]
) -> dict[str, Float64[Tensor, " node"]]:
    """Entries of the leading singular vectors, of all scores and of their deviations from row and column means."""
    found = {}
    for name, matrix in (("all", scores), ("in order", scores * after)):
        excess = (matrix - matrix.mean(0) - matrix.mean(1, keepdim=True) + matrix.mean()).fill_diagonal_(0.0)
        for label, part in (("", matrix), (", excess", excess)):
            left, _, right = torch.linalg.svd(part)
            found[f"leading writer, {name}{label}"] = left[:, 0].abs()
            found[f"leading reader, {name}{label}"] = right[0].abs()
    return found


def _likeness(
    nodes: Sequence[NodeMaps], writers: Float64[Tensor, "node d_model*d_model"]
) -> dict[str, Float64[Tensor, " node"]]:
    """How near a node's spectra and subspaces are to those of the others of its kind, which copies would be."""
    spectra = torch.stack([log(torch.linalg.svdvals(node.through)[:_SPECTRUM] + _NOTHING) for node in nodes])
    shapes = spectra - spectra.mean(1, keepdim=True)
    flat = torch.stack([node.through.flatten() / node.through.norm().clamp(min=1e-12) for node in nodes])
    readers = grams([node.readers["value" if node.kind == "head" else "in"].T for node in nodes])
    heads = torch.tensor([node.kind == "head" for node in nodes])
    alike = heads[:, None] == heads
    if not bool((alike.sum(1) > 2).all()):  # too few of one kind: then all nodes are compared
        alike = torch.ones_like(alike)
    found: dict[str, Tensor] = {}
    for name, scores in (
        ("distance of spectra", torch.cdist(shapes, shapes, compute_mode="donot_use_mm_for_euclid_dist")),
        ("likeness of maps", (flat @ flat.T).abs()),
        ("writes where others write", pairwise_composition(writers, writers)),
        ("reads where others read", pairwise_composition(readers, readers)),
    ):
        found |= _summaries(name, scores, alike & ~torch.eye(len(nodes), dtype=torch.bool))
    nearest = torch.cdist(shapes, shapes).masked_fill(~alike, float("inf")).fill_diagonal_(float("inf")).min(1).values
    return {**found, "nearest spectrum": log(nearest + 1e-4)}
