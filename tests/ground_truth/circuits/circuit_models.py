"""The tasks with a planted circuit, their base models and instances, for tests of all of them."""

from __future__ import annotations

import json
from functools import cache, lru_cache
from typing import Any

import pytest
from safetensors.torch import load

from ground_truth.circuits.planted.task import PlantedCircuitTask
from scribe_suite.planting.frozen import FrozenModel, frozen_folder, list_frozen, load_all_frozen
from scribe_suite.planting.hooked import ModelWeights
from scribe_suite.tasks.registry import default_registry
from scribe_suite.tasks.task import TaskInstance

TASKS: dict[str, Any] = {
    task.id: task
    for task in default_registry().of_family("circuits")
    if isinstance(task, PlantedCircuitTask) and list_frozen(frozen_folder(task))
}
MODELS_WANTED = 6

every_task = pytest.mark.parametrize("task_id", TASKS)


def every_model(*, quick: int = 0, slow: int = 1):
    """All frozen models of all tasks; per task the first few are quick, the next few slow, all others exhaustive."""
    marks = [[]] * quick + [[pytest.mark.slow]] * slow
    cases = [
        pytest.param(task.id, path.stem, marks=marks[rank] if rank < len(marks) else [pytest.mark.exhaustive])
        for task in TASKS.values()
        for rank, path in enumerate(list_frozen(frozen_folder(task)))
    ]
    return pytest.mark.parametrize(("task_id", "model_name"), cases)


@lru_cache(maxsize=12)  # each holds a model, its prompts and what was measured on it
def instance_of(task_id: str, seed: int) -> TaskInstance:
    return TASKS[task_id].instance(seed)


def first_instance(task_id: str, model_name: str) -> TaskInstance:
    """The first fresh instance that is drawn from a base model."""
    wanted = f"{task_id}/{model_name}"
    seed = next(seed for seed in range(10_000) if TASKS[task_id].choose(seed).name == wanted)
    return instance_of(task_id, seed)


@cache
def models_of(task_id: str) -> list[FrozenModel]:
    return load_all_frozen(TASKS[task_id])


def weights_of(instance: TaskInstance) -> ModelWeights:
    files = instance.public.files
    return ModelWeights(json.loads(files["config.json"]), load(files["model.safetensors"]))


def names_of(instance: TaskInstance) -> dict[str, Any]:
    return json.loads(instance.public.files["names.json"])
