"""Graded answers and methods of known order for tasks with a planted circuit."""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import Any, cast

from ground_truth.circuits.planted.draws import generator
from ground_truth.circuits.planted.hidden import Hidden
from ground_truth.circuits.planted.task import PlantedCircuitTask
from scribe_suite.planting.circuits.interchange import Pairs
from scribe_suite.tasks.answer_kinds import BehaviourAnswer
from scribe_suite.tasks.task import TaskInstance
from studies.graded.material import DRAWS, Content, GradedContent, Material, graded_sets

#: Shares of the hidden prompts on which a submitted function is wrong.
WRONG_SHARES = (0.0, 0.05, 0.1, 0.2, 0.4, 0.7, 1.0)
#: Number of draws of a random method.
RANDOM_DRAWS = 20

#: Number of pairs where few suffice, and the share of the accuracy that pruning keeps on them.
_FEW_PAIRS = 64
_ENOUGH = 0.95

#: Code appended to the right function to make it wrong on a fixed set of prompts.
_SPOILED = """

import zlib

_right = predict


def predict(prompts):
    def spoiled(prompt, label):
        drawn = zlib.crc32(repr(list(prompt)).encode()) % 10_000
        return (label + 1) % {n_labels} if drawn < {share} * 10_000 else label

    return [spoiled(prompt, label) for prompt, label in zip(prompts, _right(prompts))]
"""


def planted_circuit(instance: TaskInstance, rng: random.Random) -> Material:
    """An instance that asks for components, with or without roles or a function."""
    instance = _with_few_pairs(instance)
    oracle = instance.task.oracle_answer(instance)
    field = "roles" if "roles" in oracle else "components"
    answer = _with_roles(oracle["roles"], rng) if field == "roles" else _with_components(oracle)
    key = list(oracle[field])
    universe = list(instance.public.facts["components"])
    others = [node for node in universe if node not in key]
    graded = [
        GradedContent(path, wrongness, answer(nodes))
        for path, wrongness, nodes in graded_sets(key, others, rng, everything=True)
    ]
    if field == "roles":
        graded += _flipped(oracle["roles"], rng)
    if "code" in oracle:
        graded += _spoiled(oracle["code"], key, instance.public.facts["n_labels"])
    methods: dict[str, list[Content]] = {
        "truth": [answer(key)],
        "pruning": [answer(_pruned(instance))],
        "random nodes": [answer(sorted(rng.sample(universe, len(key)))) for _ in range(RANDOM_DRAWS)],
    }
    return Material(instance, graded, methods, lambda number: _resampled(instance, number))


def _with_few_pairs(instance: TaskInstance) -> TaskInstance:
    """The same instance with fewer pairs, faster to score: only the metric of a function is measured on pairs."""
    if instance.answer_schema.model is BehaviourAnswer:
        return instance
    hidden = cast("Hidden", instance.hidden)
    few = Pairs(hidden.held_out.base[:_FEW_PAIRS], hidden.held_out.source[:_FEW_PAIRS])
    return replace(instance, hidden=replace(hidden, held_out=few))


def _with_components(oracle: Mapping[str, Any]) -> Callable[[Collection[str]], Content]:
    """Answers that name nodes; where the task asks for a function, it is right in all of them."""
    code = {"code": oracle["code"]} if "code" in oracle else {}
    return lambda nodes: {"components": sorted(nodes), **code}


def _with_roles(roles: Mapping[str, str], rng: random.Random) -> Callable[[Collection[str]], Content]:
    """Answers that give nodes their roles; a node outside of the circuit gets one at random."""
    return lambda nodes: {
        "roles": {node: roles.get(node) or rng.choice(("supports", "suppresses")) for node in sorted(nodes)}
    }


def _flipped(roles: Mapping[str, str], rng: random.Random) -> list[GradedContent]:
    """The right nodes, some with the wrong role."""
    other = {"supports": "suppresses", "suppresses": "supports"}
    graded = []
    for _ in range(DRAWS):
        for count in range(len(roles) + 1):
            wrong = set(rng.sample(sorted(roles), count))
            content = {"roles": {node: other[role] if node in wrong else role for node, role in roles.items()}}
            graded.append(GradedContent("flipped", count, content))
    return graded


def _spoiled(code: str, key: Collection[str], n_labels: int) -> list[GradedContent]:
    """The right nodes with a function that is wrong on some prompts."""
    return [
        GradedContent(
            "function",
            share,
            {"components": sorted(key), "code": code + _SPOILED.format(n_labels=n_labels, share=share)},
        )
        for share in WRONG_SHARES
    ]


def _pruned(instance: TaskInstance) -> list[str]:
    """The nodes left after pruning each node that the accuracy does not need, late layers first.

    The node-wise form of ACDC (Conmy et al. 2023, arXiv 2304.14997). It keeps one of the nodes that can replace each
    other.
    """
    task, hidden = cast("PlantedCircuitTask", instance.task), cast("Hidden", instance.hidden)
    pairs = task.hidden_pairs(hidden.causal, _FEW_PAIRS, generator(task.id, instance.seed, "pruning"))
    meter = replace(hidden, held_out=pairs).meter
    kept = list(instance.public.facts["components"])
    for node in reversed(kept):
        left = [one for one in kept if one != node]
        if meter.measure(left).faithfulness >= _ENOUGH:
            kept = left
    return kept


def _resampled(instance: TaskInstance, number: int) -> TaskInstance:
    """The instance with other hidden pairs."""
    task, hidden = cast("PlantedCircuitTask", instance.task), cast("Hidden", instance.hidden)
    drawn = generator(task.id, instance.seed, f"hidden sample {number}")
    pairs = task.hidden_pairs(hidden.causal, len(hidden.held_out.base), drawn)
    return replace(instance, hidden=replace(hidden, held_out=pairs))
