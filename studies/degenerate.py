"""Answers to component tasks that need no interpretability, and the statistics behind them.

A task on which one of these has skill does not measure what it claims. Everything here is computed from public weights
and prompts, without patching and without labels.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from sklearn.metrics import roc_auc_score
from torch import Tensor

from scribe_suite.planting.circuits.patchable import NodeValues, PatchableTransformer
from scribe_suite.planting.hooked import build_model

#: Node -> number, by which a scan without patching could rank nodes.
NodeStatistic = Mapping[str, float]

STATISTICS = (
    "weight_norm",
    "output_weight_norm",
    "ov_norm",
    "qk_norm",
    "output_norm",
    "output_variance",
    "activation_norm",
)

#: The statistics are means over prompts and positions; the spread of nodes is far larger.
_MOST_PROMPTS = 128


def node_statistics(
    network: PatchableTransformer, tokens: Int[Tensor, "prompt position"]
) -> dict[str, dict[str, float]]:
    """Several measures of the size of every node.

    Args:
        network: The public network.
        tokens: Public prompts; the first 128 are used.

    Returns:
        For each name in `STATISTICS` a number per node:

        - ``weight_norm``: Frobenius norm of all its matrices (W_Q, W_K, W_V, W_O; W_in, W_out).
        - ``output_weight_norm``: norm of W_O or W_out.
        - ``ov_norm``, ``qk_norm``: norms of W_V W_O and W_Q W_K^T, which are invariant to a change of basis inside the
          head; for MLPs both are the norm of W_in W_out.
        - ``output_norm``: norm of its output to the residual stream, mean over prompts and positions.
        - ``output_variance``: trace of the output's covariance over prompts, mean over positions.
        - ``activation_norm``: norm of ``hook_z`` or ``hook_post``, mean over prompts and positions.
    """
    with torch.no_grad():
        tables = _weight_statistics(network) | _activation_statistics(network, tokens[:_MOST_PROMPTS])
    nodes = network.shape.nodes
    return {name: dict(zip(nodes, tables[name].flatten().tolist(), strict=True)) for name in STATISTICS}


def auroc(statistic: NodeStatistic, key: Collection[str]) -> float:
    """How well a statistic separates the key from the other nodes: 1 perfectly, 0.5 not at all.

    Raises:
        ValueError: If the key contains no node, or all of them.
    """
    nodes = sorted(statistic)
    inside = [node in key for node in nodes]
    if all(inside) or not any(inside):
        raise ValueError("the AUROC of a statistic needs nodes inside and outside the key")
    return float(roc_auc_score(inside, [statistic[node] for node in nodes]))


@dataclass(frozen=True)
class Glance:
    """The information of an agent that does not investigate.

    Attributes:
        nodes: All nodes of the model.
        statistics: From `node_statistics`.
        key_size: The size of the right answer, which such an agent does not know but may guess.
        rng: Draws random answers.
    """

    nodes: tuple[str, ...]
    statistics: Mapping[str, NodeStatistic]
    key_size: int
    rng: random.Random


def glance(
    network: PatchableTransformer, tokens: Int[Tensor, "prompt position"], key_size: int, rng: random.Random
) -> Glance:
    """A glance at one instance; see `node_statistics` and `Glance` for the arguments."""
    return Glance(network.shape.nodes, node_statistics(network, tokens), key_size, rng)


def top_k(statistic: NodeStatistic, k: int) -> frozenset[str]:
    """The k nodes with the largest values; ties go to the first name."""
    return frozenset(sorted(statistic, key=lambda node: (-statistic[node], node))[:k])


def bottom_k(statistic: NodeStatistic, k: int) -> frozenset[str]:
    """The k nodes with the smallest values; ties go to the first name."""
    return frozenset(sorted(statistic, key=lambda node: (statistic[node], node))[:k])


def _ranked(pick: Callable[[NodeStatistic, int], frozenset[str]], statistic: str) -> Callable[[Glance], frozenset[str]]:
    return lambda seen: pick(seen.statistics[statistic], seen.key_size)


#: Answers that do not use the model.
GUESSES: Mapping[str, Callable[[Glance], frozenset[str]]] = {
    "empty": lambda _: frozenset(),
    "all_nodes": lambda seen: frozenset(seen.nodes),
    "all_heads": lambda seen: frozenset(node for node in seen.nodes if node.startswith("a")),
    "all_mlps": lambda seen: frozenset(node for node in seen.nodes if node.startswith("m")),
    "random_same_size": lambda seen: frozenset(seen.rng.sample(sorted(seen.nodes), seen.key_size)),
}

#: Answers that use only sizes, with k the size of the key.
NORM_SCANS: Mapping[str, Callable[[Glance], frozenset[str]]] = {
    **{f"top_k_{name}": _ranked(top_k, name) for name in STATISTICS},
    # decoys that are too strong reveal the circuit just as their absence does
    **{f"bottom_k_{name}": _ranked(bottom_k, name) for name in STATISTICS},
}

DEGENERATE: Mapping[str, Callable[[Glance], frozenset[str]]] = {**GUESSES, **NORM_SCANS}


def _weight_statistics(network: PatchableTransformer) -> dict[str, Float[Tensor, "layer slot"]]:
    query, key, value, out = network.W_Q, network.W_K, network.W_V, network.W_O
    mlp_in, mlp_out = network.W_in, network.W_out
    heads = {
        "weight_norm": _joint_norm(query, key, value, out),
        "output_weight_norm": _joint_norm(out),
        "ov_norm": _joint_norm(value @ out),
        "qk_norm": _joint_norm(query @ key.transpose(-1, -2)),
    }
    product = _joint_norm(mlp_in @ mlp_out)
    mlps = {
        "weight_norm": _joint_norm(mlp_in, mlp_out),
        "output_weight_norm": _joint_norm(mlp_out),
        "ov_norm": product,
        "qk_norm": product,
    }
    return {name: torch.cat([heads[name], mlps[name][:, None]], 1) for name in heads}


def _joint_norm(*matrices: Float[Tensor, "... row column"]) -> Float[Tensor, "..."]:
    squares: Tensor = torch.stack([matrix.square().sum((-1, -2)) for matrix in matrices]).sum(0)
    return squares.sqrt()


def _activation_statistics(
    network: PatchableTransformer, tokens: Int[Tensor, "prompt position"]
) -> dict[str, Float[Tensor, "layer slot"]]:
    wanted = ("hook_z", "hook_post", "hook_mlp_out")
    _, cache = build_model(network.to_weights()).run_with_cache(tokens, names_filter=lambda name: name.endswith(wanted))

    def stacked(hook: str) -> Tensor:
        return torch.stack([cache[f"blocks.{layer}.{hook}"] for layer in range(network.shape.n_layers)])

    heads, hidden = stacked("attn.hook_z"), stacked("mlp.hook_post")
    writes = network.writes(NodeValues(heads, stacked("hook_mlp_out")))
    return {
        "output_norm": writes.norm(dim=-1).mean((-1, -2)),
        "output_variance": writes.var(2).sum(-1).mean(-1),
        "activation_norm": torch.cat([heads.norm(dim=-1).mean((1, 2)), hidden.norm(dim=-1).mean((1, 2))[:, None]], 1),
    }
