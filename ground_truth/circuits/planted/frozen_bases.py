"""Operations on the frozen base models of a task: choose one, and measure the reference solution on one."""

from __future__ import annotations

from collections.abc import Callable

from scribe_suite.paths import suite_root
from scribe_suite.planting.frozen import Check, FrozenModel, add_checks, frozen_folder, frozen_models, load_frozen
from scribe_suite.planting.reference import reference_answer
from scribe_suite.seeds import derive_seed
from scribe_suite.tasks.task import PlantedTask, Score, TaskInstance

#: Time limit of a reference solution in seconds: the default of agents.
_TIMEOUT_S = 1800.0


def chosen_model(task: PlantedTask, seed: int) -> FrozenModel:
    """The base model of the instance of a seed.

    Raises:
        FrozenModelError: If there is none, or one of them can't be trusted.
    """
    models = list(frozen_models(task).values())
    return models[derive_seed(seed, task.question_id, "base model") % len(models)]


def add_reference_check(
    task: PlantedTask,
    seed: int,
    name: str,
    bar: float,
    instance: Callable[[FrozenModel], TaskInstance],
    reached: Callable[[Score], float],
) -> bool:
    """Measure the reference solution on one instance of a base model, unless its certificate has the result.

    Args:
        task: The task of the base model.
        seed: The seed from which the base model was planted.
        name: Name of the check.
        bar: Lower bound on the checked value.
        instance: Makes the instance, of the task that the solution is for.
        reached: Takes the checked value from the score.

    Returns:
        Whether the check was added.
    """
    path = frozen_folder(task) / f"seed{seed}.json"
    model = load_frozen(path, task)
    if name in {check.name for check in model.record.certificate.checks}:
        return False
    made = instance(model)
    score = made.task.score(made, reference_answer(suite_root(), made, timeout_s=_TIMEOUT_S))
    check = Check(name=name, value=round(reached(score), 6), bar=bar, direction=">=")
    add_checks(path, task, [check], model)
    return True
