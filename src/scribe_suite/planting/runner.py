"""Plants base models: one seed at a time, and none again that is frozen and can be trusted."""

from __future__ import annotations

import torch

from scribe_suite.errors import FrozenModelError
from scribe_suite.planting.frozen import frozen_folder, load_frozen
from scribe_suite.progress import ProgressCallback
from scribe_suite.tasks.task import PlantedTask


def plant_seed(task: PlantedTask, seed: int, progress: ProgressCallback) -> None:
    """Train, certify and freeze the base model of a seed with one thread.

    Args:
        task: Whose base model.
        seed: Of training.
        progress: Called now and then.

    Raises:
        FrozenModelError: When it is not certified; nothing is written then.
    """
    torch.set_num_threads(1)  # a model is the same again only with the same number of threads
    task.plant(seed, progress)


def is_planted(task: PlantedTask, seed: int) -> bool:
    """Whether the base model of a seed is frozen and can be trusted."""
    try:
        load_frozen(frozen_folder(task) / f"seed{seed}.json", task)
    except FrozenModelError:
        return False
    return True
