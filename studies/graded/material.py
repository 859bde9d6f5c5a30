"""What a study of metrics needs of one instance: answers of known wrongness, methods of known order, hidden samples."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from scribe_suite.tasks.task import TaskInstance

#: The content of an answer, without confidence and summary.
Content = Mapping[str, Any]

#: How many wrong elements are added to a set; never more than there are.
ADDED = (1, 2, 4, 8, 16)
#: Draws of wrong elements per degree of wrongness.
DRAWS = 2


@dataclass(frozen=True)
class GradedContent:
    """An answer of known wrongness.

    Attributes:
        path: In which way it was made worse.
        wrongness: By how much; 0 is right.
        content: The answer.
    """

    path: str
    wrongness: float
    content: Content


@dataclass(frozen=True)
class Material:
    """What is scored on one instance.

    Attributes:
        instance: The instance.
        graded: Answers of known wrongness.
        methods: Method -> its answers; the best method first. Several answers are several draws.
        resampled: Gives the instance with the hidden sample of a number, model and key as they are; None where a task
            has one hidden sample only.
    """

    instance: TaskInstance
    graded: Sequence[GradedContent]
    methods: Mapping[str, Sequence[Content]]
    resampled: Callable[[int], TaskInstance] | None


def graded_sets(
    key: Sequence[str], others: Sequence[str], rng: random.Random, *, everything: bool = False
) -> Iterator[tuple[str, int, list[str]]]:
    """Sets that are wrong by a number of elements, in three ways.

    ``dropped``: elements of the key are missing, all but one at most. ``added``: the key with others in addition.
    ``swapped``: others in place of some.

    Args:
        key: The right set.
        others: What can be added.
        rng: Draws elements.
        everything: Whether the last degree of ``added`` is all there are.

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
