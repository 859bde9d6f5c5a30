"""Graded answers and methods of known order for tasks that ask for predictions of patched runs."""

from __future__ import annotations

import random
from collections.abc import Collection
from dataclasses import replace
from typing import cast

from ground_truth.circuits.mechanisms.hidden import Hidden
from scribe_suite.planting.circuits.causal import circuit_of
from scribe_suite.seeds import derive_seed
from scribe_suite.tasks.task import TaskInstance
from studies.graded.material import DRAWS, Content, GradedContent, Material

#: Shares of triples on which the right answer is corrupted.
WRONG_SHARES = (0.0, 0.05, 0.1, 0.2, 0.4, 0.7)
_RANDOM_DRAWS = 5

#: Code appended to the right answer: patches of some nodes are ignored.
_MISSED = """

_right = predict


def predict(base, source, patched):
    return _right(base, source, [node for node in patched if node not in {missed!r}])
"""
#: Code appended to the right answer: a wrong label on a share of triples.
_SPOILED = """

import zlib

_right = predict


def predict(base, source, patched):
    drawn = zlib.crc32(repr((list(base), list(source), sorted(patched))).encode()) % 10_000
    return (_right(base, source, patched) + (drawn < {share} * 10_000)) % {n_labels}
"""
_GUESSED = """
import zlib


def predict(base, source, patched):
    return zlib.crc32(repr(({seed}, list(base), list(source), sorted(patched))).encode()) % {n_labels}
"""


def planted_mechanism(instance: TaskInstance, rng: random.Random) -> Material:
    """An instance whose answer predicts patched runs."""
    code = instance.task.oracle_answer(instance)["code"]
    nodes = sorted(circuit_of(cast("Hidden", instance.hidden).correspondence))
    n_labels = instance.public.facts["n_labels"]

    def missing(missed: Collection[str]) -> Content:
        return {"code": code + _MISSED.format(missed=sorted(missed))}

    graded = [GradedContent("missed", 0, missing([])), GradedContent("missed", len(nodes), missing(nodes))]
    for _ in range(DRAWS):
        graded += [
            GradedContent("missed", count, missing(rng.sample(nodes, count))) for count in range(1, len(nodes), 2)
        ]
    graded += [
        GradedContent("spoiled", share, {"code": code + _SPOILED.format(share=share, n_labels=n_labels)})
        for share in WRONG_SHARES
    ]
    guesses: list[Content] = [
        {"code": _GUESSED.format(seed=rng.random(), n_labels=n_labels)} for _ in range(_RANDOM_DRAWS)
    ]
    methods: dict[str, list[Content]] = {
        "truth": [missing([])],
        "half of the nodes": [missing(rng.sample(nodes, len(nodes) // 2))],
        "patch ignored": [missing(nodes)],
        "random labels": guesses,
    }
    return Material(instance, graded, methods, lambda number: _resampled(instance, number))


def _resampled(instance: TaskInstance, number: int) -> TaskInstance:
    """The instance with other hidden triples."""
    hidden = cast("Hidden", instance.hidden)
    return replace(instance, hidden=replace(hidden, seed=derive_seed(hidden.seed, "hidden sample", number)))
