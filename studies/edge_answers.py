"""Answers to `circuits/edges` without experiments: blind rules, all edges, rankings by products of weights.

The rankings are given the number of edges in the key, and submit that many with the largest, or the smallest, value.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

import torch

from scribe_suite.planting.circuits.wiring.edges import Edge, edges_between
from scribe_suite.planting.circuits.wiring.signatures import edge_signatures
from scribe_suite.tasks.task import TaskInstance

_PROMPTS = 64


def cheap_edges(instance: TaskInstance) -> Mapping[str, Sequence[str]]:
    """Name of an answer -> its edges."""
    return {**blind_edges(instance), **ranked_edges(instance)}


def blind_edges(instance: TaskInstance) -> Mapping[str, Sequence[str]]:
    """Answers that use the names of the nodes and nothing else about the model."""
    nodes, every = instance.public.facts["nodes"], list(instance.public.facts["edges"])
    rng = random.Random(instance.seed)
    by_name = {str(edge): edge for edge in edges_between(nodes)}
    return {
        "nothing": [],
        "everything": every,
        "the example": list(instance.answer_schema.example["edges"]),
        "the opposite": [name for name in every if name not in instance.hidden.key],
        "half of all, drawn": rng.sample(every, len(every) // 2),
        "as many, drawn": rng.sample(every, len(instance.hidden.key)),
        "the node before": _before(by_name),
        "values and MLPs": [name for name, edge in by_name.items() if edge.role in ("v", "in")],
    }


def _before(edges: Mapping[str, Edge]) -> list[str]:
    """For each value input and each MLP, the edge from the last node that can write to it."""
    last: dict[str, str] = {}
    for name, edge in edges.items():  # in the order of computation
        if edge.role in ("v", "in"):
            last[edge.receiver] = name
    return list(last.values())


def ranked_edges(instance: TaskInstance) -> Mapping[str, Sequence[str]]:
    """Answers by statistics of weights and activations, with a given number of edges."""
    edges = edges_between(instance.public.facts["nodes"])
    prompts = instance.hidden.causal.sample(_PROMPTS, torch.Generator().manual_seed(instance.seed))
    count, found = len(instance.hidden.key), {}
    for name, values in edge_signatures(instance.hidden.weights, edges, prompts).items():
        order = values.argsort(descending=True).tolist()
        found[f"most {name}"] = [str(edges[i]) for i in order[:count]]
        found[f"least {name}"] = [str(edges[i]) for i in order[-count:]]
    return found
