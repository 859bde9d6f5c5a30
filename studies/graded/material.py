"""The material of one instance for studies of metrics: graded answers, methods of known order, hidden samples."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from scribe_suite.tasks.task import TaskInstance

#: The content of an answer, without confidence and summary.
Content = Mapping[str, Any]

#: Numbers of wrong elements added to a set, limited to the number that exist.
ADDED = (1, 2, 4, 8, 16)
#: Number of draws of wrong elements per degree of wrongness.
DRAWS = 2


@dataclass(frozen=True)
class GradedContent:
    """An answer of known wrongness.

    Attributes:
        path: The way in which it was made worse.
        wrongness: The degree of wrongness; 0 is right.
        content: The answer.
    """

    path: str
    wrongness: float
    content: Content


@dataclass(frozen=True)
class Material:
    """The answers to score on one instance.

    Attributes:
        instance: The instance.
        graded: Answers of known wrongness.
        methods: Method -> its answers; the best method first. Several answers are several draws.
        resampled: Returns the instance with the hidden sample of a number, with the same model and key; None where a
            task has only one hidden sample.
    """

    instance: TaskInstance
    graded: Sequence[GradedContent]
    methods: Mapping[str, Sequence[Content]]
    resampled: Callable[[int], TaskInstance] | None


def graded_sets(
    key: Sequence[str], others: Sequence[str], rng: random.Random, *, everything: bool = False
) -> Iterator[tuple[str, int, list[str]]]:
    """Sets that are wrong by a number of elements, in three ways.

    ``dropped``: up to all but one elements of the key are missing. ``added``: the key with other elements in addition.
    ``swapped``: other elements in place of some.

    Args:
        key: The right set.
        others: The elements that can be added.
        rng: Draws elements.
        everything: Whether the last degree of ``added`` contains all elements.

    Yields:
        Path, wrongness (elements too many or too few; for ``swapped``, those replaced) and set.
    """
    key, others = sorted(key), sorted(others)
    for path in ("dropped", "added", "swapped"):
        yield path, 0, key
    counts = [count for count in ADDED if count < len(others)] + ([len(others)] if everything else [])
    for _ in range(DRAWS):
        for count in range(1, len(key)):
            yield "dropped", count, sorted(rng.sample(key, len(key) - count))
        for count in counts:
            yield "added", count, sorted([*key, *rng.sample(others, count)])
        for count in range(1, min(len(key), len(others)) + 1):
            yield "swapped", count, sorted([*rng.sample(key, len(key) - count), *rng.sample(others, count)])
