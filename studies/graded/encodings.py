"""Graded answers and methods of known order for tasks that ask for code that reads and writes a variable."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import TYPE_CHECKING, cast

import torch

from scribe_suite.planting.variables.encoded.plans import ASKED
from scribe_suite.planting.variables.plans import draw_prompts
from scribe_suite.seeds import derive_seed
from scribe_suite.tasks.task import TaskInstance
from studies.graded.material import Content, GradedContent, Material
from studies.graded.subspaces import ANGLES, turned

if TYPE_CHECKING:  # the registry makes ground_truth importable, and studies are imported before it
    from ground_truth.variables.encodings.hidden import Hidden

_PROMPTS = 2000
_RANDOM_DRAWS = 3

#: What differences of means make of a code: a value is a mean, and writing it moves to the mean.
_LINEAR = """\
import numpy as np

MEANS = np.array({means})


def read(activation):
    return int(np.square(MEANS - activation).sum(1).argmin())


def write(activation, value):
    return activation + MEANS[value] - MEANS[read(activation)]
"""


def planted_encoding(instance: TaskInstance, rng: random.Random) -> Material:
    """An instance whose answers are the planted code in dimensions that are turned away, all by the same angle."""
    hidden = cast("Hidden", instance.hidden)
    basis = hidden.basis
    generator = torch.Generator().manual_seed(rng.getrandbits(62))
    drawn = torch.randn(basis.shape[1], len(basis), generator=generator)
    away = torch.linalg.qr(drawn - basis.T @ basis @ drawn)[0]

    def at(angle: float) -> Content:
        return {"code": hidden.source(turned(basis.T, away, angle).T)}

    graded = [GradedContent("turned", angle, at(angle)) for angle in ANGLES]
    methods: dict[str, list[Content]] = {
        "truth": [{"code": hidden.source()}],
        # no direction tells the values apart, so that none of these is known to be better than another
        "directions": [
            {"code": _linear(hidden, generator)},
            *({"code": instance.task.random_answer(instance, rng)["code"]} for _ in range(_RANDOM_DRAWS)),
        ],
    }
    return Material(instance, graded, methods, lambda number: _resampled(instance, number))


def _linear(hidden: Hidden, generator: torch.Generator) -> str:
    prompts = draw_prompts(_PROMPTS, len(hidden.plan.plan.classes), generator)
    here, values = hidden.coded.activations(prompts), hidden.plan.plan.variables(prompts)[:, ASKED]
    means = torch.stack([here[values == value].mean(0) for value in range(hidden.plan.plan.values)])
    return _LINEAR.format(means=[[round(x, 4) for x in row] for row in means.tolist()])


def _resampled(instance: TaskInstance, number: int) -> TaskInstance:
    """The instance with other hidden activations."""
    hidden = cast("Hidden", instance.hidden)
    return replace(instance, hidden=replace(hidden, seed=derive_seed(hidden.seed, "hidden sample", number)))
