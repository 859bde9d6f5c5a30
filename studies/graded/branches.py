"""Graded answers and methods of known order for tasks that ask for an exception that almost no prompt meets."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, cast

from scribe_suite.planting.circuits.branches.conditions import Condition, Pair, source_of
from scribe_suite.seeds import derive_seed
from scribe_suite.tasks.task import TaskInstance
from studies.graded.material import Content, GradedContent, Material

if TYPE_CHECKING:  # the registry makes ground_truth importable, and studies are imported before it
    from ground_truth.circuits.rare_branches.hidden import Hidden

#: Shares of prompts on which the right answer is corrupted.
WRONG_SHARES = (0.0, 0.05, 0.1, 0.2, 0.4, 0.7)

#: Code appended to the right answer: a wrong label on a share of prompts.
_SPOILED = """

import zlib

_right = predict


def predict(prompt):
    drawn = zlib.crc32(repr(list(prompt)).encode()) % 10_000
    return (_right(prompt) + (drawn < {share} * 10_000)) % {n_labels}
"""
_ORDINARY = "def predict(prompt):\n    return ordinary(prompt)\n"


def planted_branch(instance: TaskInstance, rng: random.Random) -> Material:
    """An instance with an exception, or a null twin, whose answers are either right or wrong."""
    exception = cast("Hidden", instance.hidden).plan.exception
    if exception is None:
        nothing: Content = {"code": "", "nothing_found": True}
        claimed: Content = {"code": _ORDINARY}
        graded = [GradedContent("claimed", 0, nothing), GradedContent("claimed", 1, claimed)]
        return Material(instance, graded, {"truth": [nothing], "ordinary label": [claimed]}, None)
    condition, label = exception
    right = source_of(condition, label)
    n_tokens, n_labels = instance.public.facts["n_tokens"], instance.public.facts["n_labels"]
    graded = [
        GradedContent("spoiled", share, {"code": right + _SPOILED.format(share=share, n_labels=n_labels)})
        for share in WRONG_SHARES
    ]
    parts = [
        GradedContent("unasked", number, {"code": source_of(one, label)})
        for number, one in enumerate(loosened(condition, n_tokens, rng))
    ]
    methods: dict[str, list[Content]] = {
        "truth": [{"code": right}],
        "two tokens of four": [parts[2].content],
        "ordinary label": [{"code": _ORDINARY}],
    }
    return Material(instance, [*graded, *parts], methods, lambda number: _resampled(instance, number))


def loosened(condition: Condition, n_tokens: int, rng: random.Random) -> Iterator[Condition]:
    """The condition, then versions in which one more token is no longer required, in random order."""
    order, everything = rng.sample(range(4), 4), tuple(range(n_tokens))
    for count in range(5):
        earlier, later = condition.earlier, condition.later
        parts = [earlier.first, earlier.last, later.first, later.last]
        for part in order[:count]:
            parts[part] = everything
        yield Condition(
            Pair(parts[0], parts[1], earlier.distance), Pair(parts[2], parts[3], later.distance), condition.gap
        )


def _resampled(instance: TaskInstance, number: int) -> TaskInstance:
    """The instance with other hidden prompts."""
    hidden = cast("Hidden", instance.hidden)
    return replace(instance, hidden=replace(hidden, seed=derive_seed(hidden.seed, "hidden sample", number)))
