"""Statistics of pairs of nodes: which reads what another writes, and which are alike.

The scores are the Q-, K- and V-composition of Elhage et al. 2021, with MLPs as readers and writers of the same kind,
and biases as writers of their own. Every node is compared with all others, with those that can really read it or be read
by it, and its place in the whole graph is the entry of the leading singular vectors.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float64
from torch import Tensor

from scribe_suite.planting.circuits.signatures.maps import ModelMaps, NodeMaps
from scribe_suite.planting.circuits.signatures.matrices import composition, cosine, kurtosis, log

#: Roles in which a node reads.
_ROLES = ("query", "key", "value", "in")


@torch.no_grad()
def composition_statistics(maps: ModelMaps) -> dict[str, Float64[Tensor, " node"]]:
    """Statistic -> a number per node of the model."""
    nodes = maps.nodes
    after = _order(nodes)
    found: dict[str, Tensor] = {}
    total = torch.zeros(len(nodes), len(nodes), dtype=torch.float64)
    biases = torch.zeros_like(total)
    count = torch.zeros_like(total)
    for role in _ROLES:
        scores = torch.zeros_like(total)
        reads = torch.tensor([role in node.readers for node in nodes])
        for j, reader in enumerate(nodes):
            if role not in reader.readers:
                continue
            matrix = reader.readers[role]
            for i, writer in enumerate(nodes):
                if i != j:
                    scores[i, j] = composition(writer.writer, matrix)
                    biases[i, j] += composition(writer.bias[None], matrix)
        total, count = total + scores, count + reads
        found |= _summaries(f"written, then {role} of others", scores, _others(nodes) & reads)
        found |= _summaries(f"written, then {role} of later", scores, after & reads)
        if bool(reads.any()):
            found |= _summaries(f"{role} of what others write", scores.T, _others(nodes) & reads[:, None])
            found |= _summaries(f"{role} of what earlier write", scores.T, after.T & reads[:, None])
    mean = total / count.clamp(min=1)
    found |= _summaries("bias, then others", biases / count.clamp(min=1), _others(nodes))
    found |= _summaries("reads others' biases", (biases / count.clamp(min=1)).T, _others(nodes))
    found |= _centrality(mean, after)
    return found | _likeness(nodes)


def _order(nodes: Sequence[NodeMaps]) -> Bool[Tensor, "writer reader"]:
    """Whether the second comes after the first: a later layer, or the MLP of a head's layer."""
    places = torch.tensor([2 * node.layer + (node.kind == "mlp") for node in nodes])
    return places[:, None] < places


def _others(nodes: Sequence[NodeMaps]) -> Bool[Tensor, "node node"]:
    return ~torch.eye(len(nodes), dtype=torch.bool)


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
        rows["mean"].append(log(values.mean()))
        rows["max"].append(log(values.max()))
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


def _likeness(nodes: Sequence[NodeMaps]) -> dict[str, Float64[Tensor, " node"]]:
    """How near a node's spectra and subspaces are to those of the others of its kind, which copies would be."""
    logs = [log(torch.linalg.svdvals(node.through)[:16]) for node in nodes]
    shapes = [values - values.mean() for values in logs]
    found: dict[str, list[Tensor]] = {}
    for i, node in enumerate(nodes):
        others = [j for j, other in enumerate(nodes) if other.kind == node.kind and j != i]
        others = others or [j for j in range(len(nodes)) if j != i]
        distances = torch.stack([(shapes[i] - shapes[j]).norm() for j in others])
        alike = torch.stack([cosine(node.through, nodes[j].through).abs() for j in others])
        writers = torch.stack([composition(node.writer, nodes[j].writer.T) for j in others])
        roles = list(node.readers)
        readers = torch.stack([composition(node.readers[roles[-1]].T, nodes[j].readers[roles[-1]]) for j in others])
        values = {
            "nearest spectrum": log(distances.min()),
            "mean distance of spectra": log(distances.mean()),
            "most alike": log(alike.max()),
            "mean likeness": log(alike.mean()),
            "writes where others write, mean": log(writers.mean()),
            "writes where others write, max": log(writers.max()),
            "reads where others read, mean": log(readers.mean()),
            "reads where others read, max": log(readers.max()),
        }
        for name, value in values.items():
            found.setdefault(name, []).append(value)
    return {name: torch.stack(values) for name, values in found.items()}
