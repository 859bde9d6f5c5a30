"""Constant vectors at every layer and position of a planted probe model: zeros, ones, an axis, random ones.

An instance's basis is random, so a fixed vector is a different direction of the base model in each instance. The mean
over many random vectors on a few instances therefore estimates the mean of one vector over many instances.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from scribe_suite.planting.hooked import build_model
from scribe_suite.planting.statements.training import TRUTH_LAYER
from scribe_suite.scoring.directions import random_direction_accuracy
from scribe_suite.scoring.normalise import SMALLEST_RANGE
from scribe_suite.scoring.probes import COIN
from scribe_suite.tasks.task import TaskInstance

#: Number of random vectors per instance.
VECTORS = 400

_SEED = 1


def place_skills(instance: TaskInstance) -> dict[str, float]:
    """The mean skill of constant vectors at every place of one instance.

    Returns:
        ``{kind} at layer {l}, position {p}`` -> skill, positions counted from the end. The kinds are ``random`` (the
        mean of `VECTORS` of them), ``ones`` and ``axis`` (the mean over the axes).
    """
    hidden, task = instance.hidden, instance.task
    statements = hidden.held_out
    labelled: bool = getattr(task, "labelled")  # noqa: B009 -- of planted probe tasks only
    _, cache = build_model(hidden.weights).run_with_cache(
        statements.tokens, names_filter=lambda name: name.endswith("hook_resid_post")
    )
    layers, length = int(hidden.weights.config["n_layers"]), statements.tokens.shape[1]
    read = {
        (layer, position): cache[f"blocks.{layer}.hook_resid_post"][:, position].double().numpy()
        for layer in range(layers)
        for position in range(-length, 0)
    }
    floor = max(COIN, hidden.control_accuracy)
    certain = 0.0 if labelled else random_direction_accuracy(read[TRUTH_LAYER, -1], statements.labels)
    found: dict[str, float] = {}
    for (layer, position), activations in read.items():
        luck = 0.0 if labelled else max(certain, random_direction_accuracy(activations, statements.labels))
        chance = max(floor, min(luck, hidden.reference_accuracy - SMALLEST_RANGE))
        for kind, vectors in _vectors(activations.shape[1]).items():
            reached = _accuracies(vectors, activations, statements.labels, labelled=labelled)
            skills = np.clip((reached - chance) / (hidden.reference_accuracy - chance), -1, 1)
            found[f"{kind} at layer {layer}, position {position}"] = float(skills.mean())
    return found


def constant_probes(instance: TaskInstance) -> dict[str, Any]:
    """Contents that give every statement the same value: zeros, with a bias of either sign where there is one."""
    width = instance.answer_schema.facts["d_model"]
    if instance.answer_schema.model.content_field == "direction":
        return {"zeros": {"direction": [0.0] * width}}
    zeros = {"weight": [0.0] * width, "center": []}
    return {f"zeros, bias {bias:g}": {**zeros, "bias": bias} for bias in (0.0, 1.0, -1.0)}


def _vectors(width: int) -> dict[str, Float[np.ndarray, "vector d_model"]]:
    drawn = np.random.default_rng(_SEED).normal(size=(VECTORS, width))
    return {"random": drawn, "ones": np.ones((1, width)), "axis": np.eye(width)}


def _accuracies(
    vectors: Float[np.ndarray, "vector d_model"],
    activations: Float[np.ndarray, "statement d_model"],
    labels: Bool[np.ndarray, " statement"],
    *,
    labelled: bool,
) -> Float[np.ndarray, " vector"]:
    """Skill by the tasks' rule: without labels, around the mean and with the better sign; with labels, unchanged."""
    centred = activations if labelled else activations - activations.mean(0)
    reached: Float[np.ndarray, " vector"] = ((centred @ vectors.T > 0) == labels[:, None]).mean(0)
    return reached if labelled else np.maximum(reached, 1 - reached)
