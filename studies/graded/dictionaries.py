"""Graded answers and methods of known order for tasks that ask for a dictionary."""

from __future__ import annotations

import math
import random
from typing import TYPE_CHECKING, cast

import numpy as np

from scribe_suite.planting.dictionaries.features import unit_rows
from scribe_suite.tasks.arrays import as_json
from scribe_suite.tasks.task import TaskInstance
from studies.graded.material import Content, GradedContent, Material

if TYPE_CHECKING:  # the registry makes ground_truth importable, and studies are imported before it
    from ground_truth.saes.dictionaries.hidden import Hidden

#: Shares of rows that are replaced by random ones, and that are added twice.
SHARES = (0.0, 0.1, 0.25, 0.5, 0.75, 1.0)


def written_dictionary(instance: TaskInstance, rng: random.Random) -> Material:
    """An instance whose answers have some rows replaced, or some twice."""
    hidden = cast("Hidden", instance.hidden)
    right = hidden.features.directions
    generator = np.random.default_rng(rng.getrandbits(62))
    drawn = unit_rows(generator.standard_normal(right.shape))
    order = generator.permutation(len(right))
    graded = []
    for share in SHARES:
        some = order[: math.ceil(share * len(right))]
        replaced = right.copy()
        replaced[some] = drawn[some]
        graded.append(GradedContent("replaced", share, {"dictionary": as_json(replaced)}))
        graded.append(GradedContent("doubled", share, {"dictionary": as_json(np.concatenate([right, right[some]]))}))
    methods: dict[str, list[Content]] = {
        "truth": [graded[0].content],
        # least squares on the true magnitudes is the ceiling, and as good as the truth
        "samples": [{"dictionary": as_json(hidden.samples.activations[: len(right)])}],
        "random": [{"dictionary": as_json(drawn)}],
    }
    return Material(instance, graded, methods, None)
