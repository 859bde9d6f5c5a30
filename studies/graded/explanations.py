"""Graded answers and methods of known order for tasks that ask for predictions of neurons."""

from __future__ import annotations

import random
from collections.abc import Collection
from dataclasses import replace
from typing import TYPE_CHECKING, cast

from scribe_suite.planting.neurons.compound.rules import Rule, without
from scribe_suite.seeds import derive_seed
from scribe_suite.tasks.task import TaskInstance
from studies.graded.material import DRAWS, Content, GradedContent, Material

if TYPE_CHECKING:  # the registry makes ground_truth importable, and the script is run before it
    from ground_truth.neurons.explain_real import ExplainReal
    from ground_truth.neurons.explained.hidden import Hidden
    from ground_truth.neurons.explained_real.hidden import Hidden as RealHidden

#: Shares of positions whose prediction is corrupted.
WRONG_SHARES = (0.0, 0.02, 0.05, 0.1, 0.2, 0.5)
_RANDOM_DRAWS = 5

#: Code appended to the right answer: some predictions are replaced by those of another position.
_SPOILED = """

import zlib

_right = predict


def predict(tokens, *others):
    values = list(_right(tokens, *others))
    for at in range(len(values)):
        if zlib.crc32(repr((at, list(tokens), others)).encode()) % 10_000 < {share} * 10_000:
            values[at] = 1.0 - min(values[at], 1.0)
    return values
"""
_GUESSED = """
import zlib


def predict(tokens, *others):
    return [zlib.crc32(repr(({seed}, at, list(tokens))).encode()) % 1000 for at in range(len(tokens))]
"""


def planted_explanation(instance: TaskInstance, rng: random.Random) -> Material:
    """An instance whose answer predicts activations."""
    hidden = cast("Hidden", instance.hidden)
    code = hidden.source()
    conditions = [(neuron, number) for neuron, rule in hidden.rules.items() for number in range(len(rule.conditions))]

    def missing(missed: Collection[tuple[str, int]]) -> Content:
        return {"code": replace(hidden, rules=_without(hidden, missed)).source()}

    graded = [GradedContent("missed", 0, missing([])), GradedContent("missed", len(conditions), missing(conditions))]
    for _ in range(DRAWS):
        graded += [
            GradedContent("missed", count, missing(rng.sample(conditions, count)))
            for count in range(1, len(conditions), 2)
        ]
    graded += [GradedContent("spoiled", share, {"code": code + _SPOILED.format(share=share)}) for share in WRONG_SHARES]
    guesses: list[Content] = [{"code": _GUESSED.format(seed=rng.random())} for _ in range(_RANDOM_DRAWS)]
    methods: dict[str, list[Content]] = {
        "truth": [missing([])],
        "half of the conditions": [missing(rng.sample(conditions, len(conditions) // 2))],
        # a rule without any condition always fires, and a constant is worth as little as random numbers
        "random numbers": guesses,
    }
    return Material(instance, graded, methods, lambda number: _resampled(instance, number))


#: Code appended to code that has memorised the texts: it predicts nothing at a share of the positions.
_FORGETFUL = """

import zlib

_known = predict


def predict(tokens, *others):
    values = list(_known(tokens, *others))
    for at in range(len(values)):
        if zlib.crc32(repr((at, list(tokens), others)).encode()) % 10_000 < {share} * 10_000:
            values[at] = 0.0
    return values
"""


def real_explanation(instance: TaskInstance, rng: random.Random) -> Material:
    """An instance whose answer predicts activations of a real model.

    Answers are code that has memorised less and less of the hidden texts: no rule is known whose conditions could be
    left out.
    """
    task, hidden = cast("ExplainReal", instance.task), cast("RealHidden", instance.hidden)
    code = task.oracle_answer(instance)["code"]
    graded = [GradedContent("spoiled", share, {"code": code + _SPOILED.format(share=share)}) for share in WRONG_SHARES]
    forgotten = {share: {"code": code + _FORGETFUL.format(share=share)} for share in (0.0, 0.1, 0.25, 0.5, 0.75, 1.0)}
    graded += [GradedContent("forgotten", share, content) for share, content in forgotten.items()]
    methods: dict[str, list[Content]] = {
        "where it fires": [forgotten[0.0]],
        "half of where it fires": [forgotten[0.5]],
        "a tenth of it": [{"code": code + _FORGETFUL.format(share=0.9)}],
        "random numbers": [{"code": _GUESSED.format(seed=rng.random())} for _ in range(_RANDOM_DRAWS)],
    }

    def resampled(number: int) -> TaskInstance:
        drawn = random.Random(derive_seed(instance.seed, task.id, "hidden sample", number))
        texts = range(len(hidden.rows))
        return replace(instance, hidden=replace(hidden, texts=drawn.sample(texts, len(texts) // 2)))

    return Material(instance, graded, methods, resampled)


def _without(hidden: Hidden, missed: Collection[tuple[str, int]]) -> dict[str, Rule]:
    """The rules with some conditions left out; a rule without conditions never holds."""
    found = {}
    for neuron, rule in hidden.rules.items():
        for number in sorted((one for name, one in missed if name == neuron), reverse=True):
            rule = without(rule, number)
        found[neuron] = rule
    return found


def _resampled(instance: TaskInstance, number: int) -> TaskInstance:
    """The instance with other hidden texts."""
    hidden = cast("Hidden", instance.hidden)
    return replace(instance, hidden=replace(hidden, text_seed=derive_seed(hidden.text_seed, "hidden sample", number)))
