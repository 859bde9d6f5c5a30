"""Graded answers and methods of known order for tasks that ask for the edges of a circuit."""

from __future__ import annotations

import random

import torch

from scribe_suite.planting.circuits.interchange import draw_pairs
from scribe_suite.planting.circuits.patchable import PatchableTransformer
from scribe_suite.planting.circuits.wiring.edges import edges_between
from scribe_suite.tasks.task import TaskInstance
from studies.edge_methods import METHODS
from studies.graded.material import Content, GradedContent, Material, graded_sets

#: Number of draws of a random method.
RANDOM_DRAWS = 20
_PAIRS = 48


def planted_edges(instance: TaskInstance, rng: random.Random) -> Material:
    """An instance that asks for edges; it has no hidden sample."""
    key, universe = sorted(instance.hidden.key), list(instance.public.facts["edges"])
    others = [edge for edge in universe if edge not in instance.hidden.key]
    graded = [
        GradedContent(path, wrongness, {"edges": edges})
        for path, wrongness, edges in graded_sets(key, others, rng, everything=True)
    ]
    methods: dict[str, list[Content]] = {
        "truth": [{"edges": key}],
        "EAP": [{"edges": _attributed(instance, len(key))}],
        "random edges": [{"edges": sorted(rng.sample(universe, len(key)))} for _ in range(RANDOM_DRAWS)],
    }
    return Material(instance, graded, methods, None)


def _attributed(instance: TaskInstance, count: int) -> list[str]:
    """The `count` edges with the largest scores of edge attribution patching."""
    network = PatchableTransformer.from_weights(instance.hidden.weights).requires_grad_(requires_grad=False)
    pairs = draw_pairs(instance.hidden.causal, _PAIRS, torch.Generator().manual_seed(instance.seed))
    score = METHODS["EAP"](network, pairs, edges_between(instance.public.facts["nodes"]))
    return sorted(sorted(score, key=lambda edge: -score[edge])[:count])
