"""Can statistics of edges distinguish the key of `circuits/edges` from other edges? A two-sample test.

    python -m studies.edge_signatures                       # both levels with weights
    python -m studies.edge_signatures --write               # and into docs/truth/circuits.md

For each statistic of `planting.circuits.wiring.signatures` and each input (queries, keys, values, MLPs), the study
measures the frequency with which an edge of the key has a larger value than another edge of the same model, and for
classifiers, the F1 of the edges that they submit. Classifiers that see nothing but the names of edges are the baseline:
what weights tell is how much more the others find. Every base model has its nodes in other places, as in an instance.
Chance is that of the task. Keys are compared with others in which every input reads as many random writers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from scribe_suite.planting.circuits.blocks import layer_and_head
from scribe_suite.planting.circuits.causal import circuit_of
from scribe_suite.planting.circuits.signatures.table import Group, Signatures
from scribe_suite.planting.circuits.wiring.edges import EMBED, ROLES, Edge, edges_between, wiring_of
from scribe_suite.planting.circuits.wiring.signatures import edge_signatures
from scribe_suite.planting.frozen import frozen_models
from scribe_suite.tasks.registry import default_registry
from studies import two_samples
from studies.exchangeability import Sample, shuffled_within

if TYPE_CHECKING:  # the registry makes ground_truth importable, and the script is run before it
    from ground_truth.circuits.edges import Edges

TASKS = ("circuits/edges", "circuits/edges_2")
MARKERS = ("<!-- tables: written by studies/edge_signatures.py -->", "<!-- end of the edges' signatures -->")
#: The seed of the placements.
SEED = 4
#: Names are what a node's own weights are to `studies.signatures`: the group that all classifiers see.
WORDS = {"weights": "names", "composition": "products of weights"}
_PROMPTS = 64


def samples_of(task_id: str, seed: int = SEED) -> list[Sample]:
    """The statistics of all edges of the base models of a task, and which are in the key."""
    task = _task(task_id)
    from ground_truth.circuits.mechanisms.base import Base

    found = []
    for name, model in frozen_models(task).items():
        base = task.placed(Base.of(model), seed)
        key = frozenset(map(str, wiring_of(base.program, base.correspondence)))
        edges = edges_between(circuit_of(base.correspondence))
        prompts = base.program.sample(_PROMPTS, torch.Generator().manual_seed(0))
        columns = {**_by_name(edges), **edge_signatures(base.weights, edges, prompts)}
        groups = tuple(_group(statistic) for statistic in columns)
        values = torch.stack([column.double() for column in columns.values()], 1).numpy()
        tables: dict[str, Signatures] = {}
        for role in ROLES:
            rows = [row for row, edge in enumerate(edges) if edge.role == role]
            tables[role] = Signatures(tuple(str(edges[row]) for row in rows), tuple(columns), groups, values[rows])
        found.append(Sample(task_id, f"{task_id}/{name}", tables, key))
    return found


def _by_name(edges: Sequence[Edge]) -> dict[str, Float[Tensor, " edge"]]:
    """What the name of an edge says about it: where its ends are, and which writer it is of those that there can be."""
    first, seen, rows = -1, Counter[str](), []
    for edge in edges:  # in the order of computation
        reader = layer_and_head(edge.reader)[0]
        writer = first if edge.writer == EMBED else layer_and_head(edge.writer)[0]
        rows.append((edge.writer == EMBED, edge.writer[0] == "m", reader, writer, reader - writer, seen[edge.receiver]))
        seen[edge.receiver] += 1
    names = ("embedding", "MLP", "layer of the reader", "layer of the writer", "layers between", "earlier writers")
    return dict(zip(names, torch.tensor(rows, dtype=torch.float64).unbind(1), strict=True))


def _group(statistic: str) -> Group:
    if statistic.startswith("read"):
        return "activations"
    return "composition" if statistic.startswith(("composition", "product")) else "weights"


def other_writers(
    sample: Sample, kind: str, _members: Sequence[Sample], count: int, rng: np.random.Generator
) -> Bool[np.ndarray, "draw edge"]:
    """Keys of the model in which every input reads as many writers as it does, at random."""
    inputs = [name.partition("->")[2] for name in sample.tables[kind].nodes]
    groups = np.unique(inputs, return_inverse=True)[1]
    return shuffled_within(groups, sample.truth(kind), count, rng)


def _task(task_id: str) -> Edges:
    task = default_registry()[task_id]
    from ground_truth.circuits.edges import Edges

    assert isinstance(task, Edges)
    return task


def _chance(task_id: str) -> float:
    return _task(task_id).blind.chance


if __name__ == "__main__":
    two_samples.main(__doc__, TASKS, samples_of, MARKERS, other_writers, _chance, WORDS)
