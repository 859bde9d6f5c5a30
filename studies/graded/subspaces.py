"""Graded answers and methods of known order for tasks that ask for the subspace of a variable."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import torch
from jaxtyping import Float
from torch import Tensor

from scribe_suite.planting.variables.certificate import written_space
from scribe_suite.planting.variables.plans import draw_prompts
from scribe_suite.seeds import derive_seed
from scribe_suite.tasks.task import TaskInstance
from studies.graded.material import Content, GradedContent, Material

if TYPE_CHECKING:  # the registry makes ground_truth importable, and studies are imported before it
    from ground_truth.variables.real.hidden import Hidden as RealHidden
    from ground_truth.variables.real.task import MeasuredSubspaceTask
    from ground_truth.variables.subspaces.hidden import Hidden

#: Degrees by which all planted directions are turned.
ANGLES = (0, 15, 30, 45, 60, 75, 90)
_PROMPTS = 2000


def planted_subspaces(instance: TaskInstance, rng: random.Random) -> Material:
    """An instance whose answers are turned away from the planted directions, all by the same angle."""
    hidden = cast("Hidden", instance.hidden)
    width, count = hidden.planted.shape
    generator = torch.Generator().manual_seed(rng.getrandbits(62))
    drawn = torch.randn(width, count, generator=generator)
    away = torch.linalg.qr(drawn - hidden.planted @ hidden.planted.T @ drawn)[0]
    graded = [GradedContent("turned", angle, _content(hidden, turned(hidden.planted, away, angle))) for angle in ANGLES]
    prompts = draw_prompts(_PROMPTS, len(hidden.plan.classes), generator)
    methods: dict[str, list[Content]] = {
        "truth": [graded[0].content],
        "where it is written": [_content(hidden, written_space(hidden.model, hidden.plan, prompts, hidden.variable))],
        "random": [_content(hidden, drawn)],
    }
    return Material(instance, graded, methods, lambda number: _resampled(instance, number))


def real_subspaces(instance: TaskInstance, rng: random.Random) -> Material:
    """An instance about a real model: the best subspace that was measured, turned, or nothing and a claim of it."""
    task, hidden = cast("MeasuredSubspaceTask", instance.task), cast("RealHidden", instance.hidden)
    where = {"layer": hidden.best.layer, "site": hidden.best.site, "position": hidden.window.position}
    generator = torch.Generator().manual_seed(rng.getrandbits(62))
    best = torch.linalg.qr(hidden.directions)[0]
    drawn = torch.randn(best.shape, generator=generator)
    away = torch.linalg.qr(drawn - best @ best.T @ drawn)[0]

    def content(directions: Tensor) -> Content:
        return {**where, "directions": directions.T.tolist(), "nothing_found": False}

    def resampled(number: int) -> TaskInstance:
        seed = derive_seed(instance.seed, task.id, "hidden sample", number)
        return replace(instance, hidden=replace(hidden, prompts=task.hidden_prompts(seed)))

    nothing: Content = {**where, "directions": [], "nothing_found": True}
    if hidden.null:
        graded = [GradedContent("claimed", 0, nothing), GradedContent("claimed", 1, content(best))]
        return Material(instance, graded, {}, resampled)
    graded = [GradedContent("turned", angle, content(turned(best, away, angle))) for angle in ANGLES]
    methods: dict[str, list[Content]] = {"best measured": [graded[0].content], "random": [content(drawn)]}
    return Material(instance, graded, methods, resampled)


def turned(
    planted: Float[Tensor, "d_model k"], away: Float[Tensor, "d_model k"], degrees: float
) -> Float[Tensor, "d_model k"]:
    """Orthonormal directions that all lie at an angle to the planted ones, towards others orthogonal to them."""
    angle = math.radians(degrees)
    return math.cos(angle) * planted + math.sin(angle) * away


def _content(hidden: Hidden, directions: Tensor) -> dict[str, Any]:
    place = hidden.place
    where = {"layer": place.layer, "site": place.site, "position": place.position}
    return {**where, "directions": directions.T.tolist()}


def _resampled(instance: TaskInstance, number: int) -> TaskInstance:
    """The instance with other hidden pairs."""
    hidden = cast("Hidden", instance.hidden)
    return replace(instance, hidden=replace(hidden, seed=derive_seed(hidden.seed, "hidden sample", number)))
