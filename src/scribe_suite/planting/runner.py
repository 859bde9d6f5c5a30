"""Plants base models: one seed at a time, skipping those that are frozen and valid."""

from __future__ import annotations

import torch

from scribe_suite.errors import FrozenModelError
from scribe_suite.planting.frozen import frozen_folder, load_frozen
from scribe_suite.progress import ProgressCallback
from scribe_suite.tasks.task import PlantedTask


def plant_seed(task: PlantedTask, seed: int, progress: ProgressCallback, *, keep_valid: bool) -> str:
    """Train, certify and freeze the base model of a seed with one thread, or certify an existing one for this task.

    Args:
        task: The task of the base model.
        seed: The training seed.
        progress: Called from time to time.
        keep_valid: Train nothing when a trusted frozen model exists; if that was frozen for other tasks and lacks the
            checks of this one, add them.

    Returns:
        What was done, in words.

    Raises:
        FrozenModelError: When it is not certified; nothing is written then.
    """
    torch.set_num_threads(1)  # a model is the same again only with the same number of threads
    if not keep_valid or not _is_valid(task, seed):
        task.plant(seed, progress)
        return "frozen"
    return "certified for this task" if task.add_checks(seed, progress) else "is frozen already"


def _is_valid(task: PlantedTask, seed: int) -> bool:
    try:
        load_frozen(frozen_folder(task) / f"seed{seed}.json", task)
    except FrozenModelError:
        return False
    return True
