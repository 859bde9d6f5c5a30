"""Graded answers and methods of known order for tasks that ask for a steering vector."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import TYPE_CHECKING, cast

import torch
from jaxtyping import Float
from torch import Tensor

from scribe_suite.seeds import derive_seed
from scribe_suite.tasks.task import TaskInstance
from studies.graded.material import Content, GradedContent, Material
from studies.graded.subspaces import turned
from studies.steering_methods import known_of, means

if TYPE_CHECKING:  # the registry makes ground_truth importable, and studies are imported before it
    from ground_truth.steering.shifts.hidden import Hidden

#: Angles between the planted direction and answers, in degrees.
ANGLES = (0, 30, 60, 75, 85, 90)


def planted_steering(instance: TaskInstance, rng: random.Random) -> Material:
    """An instance whose vectors are turned away from the planted one, or about which nothing is right to be found."""
    hidden = cast("Hidden", instance.hidden)
    right = hidden.direction[:, None] / hidden.direction.norm()
    generator = torch.Generator().manual_seed(rng.getrandbits(62))
    drawn = torch.randn(right.shape, generator=generator)
    away = torch.linalg.qr(drawn - right @ right.T @ drawn)[0]

    def content(vector: Float[Tensor, "d_model 1"]) -> Content:
        return {"layer": hidden.layer, "vector": vector.flatten().tolist(), "nothing_found": False}

    def resampled(number: int) -> TaskInstance:
        seed = derive_seed(hidden.seed, "hidden sample", number)
        return replace(instance, hidden=replace(hidden, seed=seed))

    nothing: Content = {"layer": hidden.layer, "vector": [], "nothing_found": True}
    if not hidden.plan.read:
        graded = [GradedContent("claimed", 0, nothing), GradedContent("claimed", 1, content(right))]
        return Material(instance, graded, {}, resampled)
    graded = [GradedContent("turned", angle, content(turned(right, away, angle))) for angle in ANGLES]
    methods: dict[str, list[Content]] = {"truth": [graded[0].content]}
    if instance.task.level > 1:  # at level 1 it is as good as the truth
        methods["difference of means"] = [content(means(known_of(instance))[0])]
    return Material(instance, graded, {**methods, "random": [content(drawn)]}, resampled)
