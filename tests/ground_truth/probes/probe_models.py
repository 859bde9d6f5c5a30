"""Instances and activations of the probe tasks, made once for all tests that look at them."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import torch
from safetensors.torch import load

from scribe_suite.planting.hooked import build_model
from scribe_suite.planting.statements.training import TRUTH_LAYER
from scribe_suite.scoring.normalise import normalised_skill
from scribe_suite.scoring.probes import LinearProbe, residual_at
from scribe_suite.tasks.registry import default_registry
from scribe_suite.tasks.task import Score, TaskInstance

torch.set_num_threads(1)

_PLANTED: dict[str, Any] = {task.name: task for task in default_registry().of_family("probes", "planted")}
TASKS = tuple(_PLANTED)
LABELLED = tuple(name for name, task in _PLANTED.items() if task.labelled)
LABEL_FREE = tuple(name for name, task in _PLANTED.items() if not task.labelled)
SEEDS = (0, 1, 2)


def task_of(name: str) -> Any:
    return _PLANTED[name]


@cache
def instance_of(name: str, seed: int) -> TaskInstance:
    return task_of(name).instance(seed)


def instances(name: str) -> list[TaskInstance]:
    return [instance_of(name, seed) for seed in SEEDS]


@cache
def model_of(name: str, seed: int) -> Any:
    return build_model(instance_of(name, seed).hidden.weights)


@cache
def activations(name: str, seed: int, side: str, layer: int = TRUTH_LAYER, position: int | str = "last") -> np.ndarray:
    """What the evaluator reads on one side of an instance: ``public`` or ``held_out``."""
    tokens = getattr(instance_of(name, seed).hidden.split, side).tokens
    return residual_at(model_of(name, seed), tokens, layer, position)


def labels(name: str, seed: int, side: str) -> np.ndarray:
    return getattr(instance_of(name, seed).hidden.split, side).labels


def strings(instance: TaskInstance) -> list[str]:
    return json.loads(instance.public.files["vocabulary.json"])


def public_data(instance: TaskInstance) -> dict[str, torch.Tensor]:
    """The tensors an agent gets besides the model."""
    (name,) = {"statements.safetensors", "activations.safetensors"} & set(instance.public.files)
    return load(instance.public.files[name])


def scored(instance: TaskInstance, submitted: dict[str, Any]) -> Score:
    return instance.task.score(instance, instance.answer_schema.parse(json.dumps(submitted)))


def submission(name: str, weight: Any, layer: int = TRUTH_LAYER, position: int | str = "last", **further: Any) -> dict:
    """An answer of the task's kind."""
    field = "direction" if name in LABEL_FREE else "weight"
    return {
        "layer": layer,
        "position": position,
        field: [float(value) for value in weight],
        "confidence": 0.5,
        "summary": "",
        **further,
    }


def skill_of(name: str, seed: int, probe: LinearProbe, layer: int = TRUTH_LAYER, position: int | str = "last") -> float:
    """What `Task.score` says of a probe, from activations that are already read."""
    instance = instance_of(name, seed)
    hidden = instance.hidden
    accuracy = instance.task.judged(probe, activations(name, seed, "held_out", layer, position), hidden.held_out.labels)
    return normalised_skill(accuracy, chance_of(name, seed), hidden.reference_accuracy)


@cache
def chance_of(name: str, seed: int) -> float:
    """The floor of the skill, as the task's own scorer has it."""
    return scored(instance_of(name, seed), submission(name, [])).chance


def mean_skill(
    name: str,
    find: Callable[[int], LinearProbe],
    *,
    repeats: int = 1,
    layer: int = TRUTH_LAYER,
    position: int | str = "last",
) -> float:
    """The mean skill of probes `find(seed)` over the instances."""
    skills = [skill_of(name, seed, find(seed), layer, position) for seed in SEEDS for _ in range(repeats)]
    return float(np.mean(skills))
