"""Can statistics that any agent can compute distinguish planted parts from the rest? A two-sample test.

The tables have a row per node and a column per statistic (`planting.circuits.signatures`). This module tests whether
any single statistic separates the key from the rest (AUROC); `studies.classifiers` tests whether a classifier does.
Nothing here depends on the meaning of the statistics.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Int
from scipy.stats import rankdata

from scribe_suite.planting.circuits.signatures.table import Group, Signatures

#: AUROC of a statistic outside of which it may be a signature.
LOWEST, HIGHEST = 0.2, 0.8
#: Probability with which any of all statistics of all tasks is called a signature by chance.
FALSE_ALARM = 0.05
PERMUTATIONS = 1000


@dataclass(frozen=True)
class Sample:
    """One model with its truth.

    Attributes:
        task: Id of the task that its key answers.
        name: The model's name.
        tables: Statistics by kind of node.
        key: The nodes to be found.
    """

    task: str
    name: str
    tables: Mapping[str, Signatures]
    key: frozenset[str]

    @cached_property
    def nodes(self) -> tuple[str, ...]:
        """The nodes of all kinds."""
        return tuple(node for table in self.tables.values() for node in table.nodes)

    def truth(self, kind: str) -> Bool[np.ndarray, " node"]:
        """Which nodes of a kind are in the key."""
        return np.array([node in self.key for node in self.tables[kind].nodes], dtype=bool)


@dataclass(frozen=True)
class Separation:
    """How well one statistic separates the key.

    Attributes:
        task: Id, or ``all`` for all tasks together.
        kind: The kind of node.
        group: The statistic's group.
        statistic: Its name.
        auroc: The share of pairs, one node of the key and one other node of the same model, in which the first has the
            larger value.
        p: Frequency with which some statistic of this task and kind is as far from its expectation when the keys of the
            task's models are exchanged at random (Westfall and Young 1993, single step).
    """

    task: str
    kind: str
    group: Group
    statistic: str
    auroc: float
    p: float

    @property
    def outside(self) -> bool:
        """Whether the AUROC is one that an exchangeable node should not have."""
        return not LOWEST <= self.auroc <= HIGHEST

    def is_signature(self, families: int) -> bool:
        """Whether it is outside and significant, given the number of pairs of task and kind."""
        return self.outside and self.p < FALSE_ALARM / families


#: Draws keys that a model might have had: the model, a kind, all models of its task, the number of draws.
Redraw = Callable[[Sample, str, Sequence[Sample], int, np.random.Generator], Bool[np.ndarray, "draw node"]]


def on_other_nodes(
    sample: Sample, kind: str, members: Sequence[Sample], count: int, rng: np.random.Generator
) -> Bool[np.ndarray, "draw node"]:
    """Keys of random models of the task, on random nodes of the same layers.

    Keys are exchanged between models, because some layers are likelier places than others and a statistic may vary
    with the layer.
    """
    nodes = sample.tables[kind].nodes
    donors = [other.truth(kind) for other in members if kind in other.tables]
    return np.stack([exchanged(nodes, donors, rng) for _ in range(count)])


def separations(samples: Sequence[Sample], *, seed: int = 0, redraw: Redraw = on_other_nodes) -> list[Separation]:
    """The AUROC of every statistic, per task and kind, and over all tasks where there are several.

    Args:
        samples: Models with their truth.
        seed: The seed of the redrawn keys.
        redraw: What else the keys might have been; AUROCs are compared with theirs.
    """
    rng = np.random.default_rng(seed)
    by_task = samples_by_task(samples)
    sets = dict(by_task) if len(by_task) < 2 else {**by_task, "all": list(samples)}
    found = []
    for task, members in sets.items():
        for kind in members[0].tables:
            usable = [s for s in members if kind in s.tables and 0 < s.truth(kind).sum() < len(s.truth(kind))]
            if usable:
                found += _separations_of(task, kind, usable, by_task, redraw, rng)
    return found


def _separations_of(
    task: str,
    kind: str,
    samples: Sequence[Sample],
    by_task: Mapping[str, Sequence[Sample]],
    redraw: Redraw,
    rng: np.random.Generator,
) -> list[Separation]:
    columns, scores = samples[0].tables[kind].statistics, np.zeros((1 + PERMUTATIONS, 1))
    pairs = np.zeros((1 + PERMUTATIONS, 1))
    for sample in samples:
        table = sample.tables[kind]
        ranks = rankdata(table.standardised().round(9), axis=0)
        others = redraw(sample, kind, by_task[sample.task], PERMUTATIONS, rng)
        chosen = np.concatenate([sample.truth(kind)[None], others])
        inside = chosen.sum(1, keepdims=True)
        scores = scores + chosen @ ranks - inside * (inside + 1) / 2
        pairs = pairs + inside * (chosen.shape[1] - inside)
    aurocs = scores / np.maximum(pairs, 1)
    expected = aurocs[1:].mean(0)
    furthest = np.abs(aurocs[1:] - expected).max(1)
    groups = samples[0].tables[kind].groups
    return [
        Separation(
            task,
            kind,
            groups[i],
            name,
            float(aurocs[0, i]),
            float((1 + (furthest >= abs(aurocs[0, i] - expected[i]) - 1e-9).sum()) / (1 + PERMUTATIONS)),
        )
        for i, name in enumerate(columns)
    ]


def exchanged(
    nodes: Sequence[str], donors: Sequence[Bool[np.ndarray, " node"]], rng: np.random.Generator
) -> Bool[np.ndarray, " node"]:
    """The key of a random donor, on random nodes of the same layers."""
    donor = donors[int(rng.integers(len(donors)))]
    if len(donor) != len(nodes):
        return np.zeros(len(nodes), dtype=bool)
    moved: Bool[np.ndarray, " row"] = shuffled_within(np.array([layer_of(node) for node in nodes]), donor, 1, rng)[0]
    return moved


def shuffled_within(
    groups: Int[np.ndarray, " row"], chosen: Bool[np.ndarray, " row"], count: int, rng: np.random.Generator
) -> Bool[np.ndarray, "draw row"]:
    """As many random rows of each group as are chosen of it, drawn several times.

    Args:
        groups: The number of each row's group.
        chosen: The rows that are chosen.
        count: The number of draws.
        rng: Draws them.
    """
    order = np.argsort(groups + rng.random((count, len(groups))), axis=1)  # rows of a group, shuffled
    plain = np.argsort(groups, kind="stable")
    moved = np.zeros((count, len(groups)), dtype=bool)
    np.put_along_axis(moved, order, np.broadcast_to(chosen[plain], moved.shape), axis=1)
    return moved


def layer_of(node: str) -> int:
    """The layer of ``a0.h1``, ``m2`` or ``L3.N4``.

    Raises:
        ValueError: If it is not such a name.
    """
    match = re.match(r"[amL](\d+)", node)
    if match is None:
        raise ValueError(f"{node!r} is no node of a layer")
    return int(match[1])


def samples_by_task(samples: Sequence[Sample]) -> dict[str, list[Sample]]:
    """Task -> its models, in their order."""
    found: dict[str, list[Sample]] = {}
    for sample in samples:
        found.setdefault(sample.task, []).append(sample)
    return found


def families(found: Sequence[Separation]) -> int:
    """The number of pairs of task and kind."""
    return len({(row.task, row.kind) for row in found})


def signatures(found: Sequence[Separation]) -> list[Separation]:
    """The statistics that separate significantly."""
    count = families(found)
    return [row for row in found if row.is_signature(count)]
