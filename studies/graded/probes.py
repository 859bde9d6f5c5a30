"""Graded answers and methods of known order for tasks that ask for a linear probe or a direction.

A probe is made worse by turning its direction towards a random one, or by shifting its threshold. (Fitting the recipe
on fewer statements, or on wrong labels, hardly makes it worse: in `probes/cities` 28 of 950 statements do as well, and
so do labels of which 30 % are wrong.) Further hidden samples are drawn from the statements of this one, whole groups
with replacement: statements about new entities do not exist, because the hidden sample already has all entities that
are not public.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import cast

import numpy as np
from jaxtyping import Float, Int

from ground_truth.probes.planted.hidden import Hidden
from ground_truth.probes.planted.split import Split
from ground_truth.probes.planted.task import PlantedProbeTask
from scribe_suite.planting.hooked import build_model
from scribe_suite.planting.statements.training import TRUTH_LAYER
from scribe_suite.scoring.probes import LabelledStatements, LinearProbe, fit_probe, residual_at
from scribe_suite.scoring.recipes import mean_difference
from scribe_suite.seeds import derive_seed
from scribe_suite.tasks.task import TaskInstance
from studies.graded.material import Content, GradedContent, Material

#: The ways in which a probe is made worse.
TURNED, SHIFTED = "turned", "shifted"
#: Angles in degrees between the right direction and the submitted one.
ANGLES = (0, 15, 30, 45, 60, 75, 90)
#: Distances of the threshold from the middle, in standard deviations of the right probe's values.
SHIFTS = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0)
#: Angle in degrees by which the recipe's direction is turned, for a method between the recipe and random directions.
_MIDDLING_ANGLE = 60
#: Number of draws of a random method.
RANDOM_DRAWS = 6

#: Makes an answer from a probe.
AsContent = Callable[[LinearProbe], Content]

_INVERSE_PENALTY = 1.0


def planted_probe(instance: TaskInstance, rng: random.Random) -> Material:
    """An instance that asks for a probe, or (without labels) for a direction."""
    task, hidden = cast("PlantedProbeTask", instance.task), cast("Hidden", instance.hidden)
    model, public = build_model(hidden.weights), hidden.split.public
    seen = residual_at(model, public.tokens, TRUTH_LAYER, "last")
    held_out = residual_at(model, hidden.held_out.tokens, TRUTH_LAYER, "last")

    def content(probe: LinearProbe) -> Content:
        where = {"layer": TRUTH_LAYER, "position": "last"}
        if not task.labelled:
            return {"direction": probe.weight.tolist(), **where}
        return {"weight": probe.weight.tolist(), "bias": probe.bias, "center": probe.center.tolist(), **where}

    labels = hidden.held_out.labels
    right = fit_probe(held_out, labels, _INVERSE_PENALTY) if task.labelled else mean_difference(held_out, labels)
    reference = task.recipe(seen, public)

    def resampled(number: int) -> TaskInstance:
        drawn = resampled_groups(hidden.held_out.groups, derive_seed(instance.seed, task.id, "hidden sample", number))
        rows, groups = drawn
        sample = LabelledStatements(hidden.held_out.tokens[rows], labels[rows], groups)
        accuracy = task.judged(reference, held_out[rows], labels[rows])
        split = Split(public, sample, hidden.split.further)
        return replace(instance, hidden=replace(hidden, split=split, reference_accuracy=accuracy))

    graded = list(turned(right.weight, held_out, content, rng))
    if task.labelled:
        graded += shifted(right.weight, held_out, content)
    return Material(instance, graded, methods(reference, held_out.mean(0), content, rng), resampled)


def turned(
    weight: Float[np.ndarray, " d_model"],
    hidden: Float[np.ndarray, "statement d_model"],
    content: AsContent,
    rng: random.Random,
) -> Iterator[GradedContent]:
    """The right direction, turned by increasing angles towards a random one; the threshold stays in the middle."""
    towards = random_direction(len(weight), rng)
    for angle in ANGLES:
        yield GradedContent(TURNED, angle, content(LinearProbe(turn(weight, towards, angle), 0.0, hidden.mean(0))))


def turn(
    weight: Float[np.ndarray, " d_model"], towards: Float[np.ndarray, " d_model"], degrees: float
) -> Float[np.ndarray, " d_model"]:
    """A direction turned towards another one; unit length."""
    right = weight / np.linalg.norm(weight)
    across = towards - (towards @ right) * right
    across /= np.linalg.norm(across)
    turned_direction: Float[np.ndarray, " d_model"] = (
        math.cos(math.radians(degrees)) * right + math.sin(math.radians(degrees)) * across
    )
    return turned_direction


def shifted(
    weight: Float[np.ndarray, " d_model"], hidden: Float[np.ndarray, "statement d_model"], content: AsContent
) -> Iterator[GradedContent]:
    """The right direction with a threshold at increasing distances from the middle."""
    spread = float((hidden @ weight).std())
    for shift in SHIFTS:
        yield GradedContent(SHIFTED, shift, content(LinearProbe(weight, -shift * spread, hidden.mean(0))))


def methods(
    recipe: LinearProbe, center: Float[np.ndarray, " d_model"], content: AsContent, rng: random.Random
) -> dict[str, list[Content]]:
    """The recipe, its own direction turned far, random directions; the last two with a threshold at `center`."""
    drawn = [random_direction(len(center), rng) for _ in range(RANDOM_DRAWS)]
    far = [turn(recipe.weight, direction, _MIDDLING_ANGLE) for direction in drawn]
    return {
        "recipe": [content(recipe)],
        "recipe turned far": [content(LinearProbe(one, 0.0, center)) for one in far],
        "random directions": [content(LinearProbe(one, 0.0, center)) for one in drawn],
    }


def random_direction(width: int, rng: random.Random) -> Float[np.ndarray, " d_model"]:
    """A direction of unit length."""
    drawn = np.array([rng.gauss(0.0, 1.0) for _ in range(width)])
    unit: Float[np.ndarray, " d_model"] = drawn / np.linalg.norm(drawn)
    return unit


def resampled_groups(
    groups: Int[np.ndarray, " statement"], seed: int
) -> tuple[Int[np.ndarray, " row"], Int[np.ndarray, " row"]]:
    """A bootstrap sample of groups: as many as there are, drawn with replacement (Efron & Tibshirani 1993, ch. 13).

    Returns:
        Rows of the statements drawn, and their group; a group that is drawn twice counts as two.
    """
    known = np.unique(groups)
    drawn = np.random.default_rng(seed).choice(known, size=len(known))
    members = [np.flatnonzero(groups == one) for one in drawn]
    return np.concatenate(members), np.repeat(np.arange(len(members)), [len(rows) for rows in members])
