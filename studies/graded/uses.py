"""Graded answers and methods of known order for tasks that ask for the probability that properties are used."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import TYPE_CHECKING, cast

from scribe_suite.planting.variables.used.plans import BASE_RATE
from scribe_suite.tasks.task import TaskInstance
from studies.graded.material import DRAWS, Content, GradedContent, Material

if TYPE_CHECKING:  # the registry makes ground_truth importable, and studies are imported before it
    from ground_truth.variables.uses.hidden import Hidden

#: How far probabilities are from the truth, as a share of the way to the base rate.
_UNSURE = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)


def planted_uses(instance: TaskInstance, rng: random.Random) -> Material:
    """An instance whose answers are less and less sure of the truth, or sure of what is wrong for some properties."""
    truth = {name: float(used) for name, used in cast("Hidden", instance.hidden).truth.items()}
    names = list(truth)

    def flipped(count: int) -> Content:
        wrong = set(rng.sample(names, count))
        return _said({name: 1 - value if name in wrong else value for name, value in truth.items()})

    graded = [
        GradedContent(
            "unsure", share, _said({name: (1 - share) * value + share * BASE_RATE for name, value in truth.items()})
        )
        for share in _UNSURE
    ]
    graded += [GradedContent("flipped", count, flipped(count)) for _ in range(DRAWS) for count in range(len(names) + 1)]
    methods: dict[str, list[Content]] = {
        "truth": [_said(truth)],
        "base rate": [_said(dict.fromkeys(names, BASE_RATE))],
        "what can be decoded is used": [_said(dict.fromkeys(names, 1.0))],
    }
    return Material(instance, graded, methods, None)


def _said(probabilities: Mapping[str, float]) -> Content:
    return {"used": dict(probabilities)}
