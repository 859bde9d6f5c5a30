"""Base models that know a world: frozen ones that are certified for a task, and those that are not frozen yet."""

from __future__ import annotations

from dataclasses import dataclass

from scribe_suite.errors import FrozenModelError
from scribe_suite.planting.frozen import Certificate, FrozenModel, frozen_models
from scribe_suite.planting.hooked import ModelWeights
from scribe_suite.tasks.task import PlantedTask


@dataclass(frozen=True)
class Base:
    """The model that instances are made from.

    Attributes:
        name: The name of the base model.
        weights: Its weights.
    """

    name: str
    weights: ModelWeights

    @classmethod
    def of(cls, model: FrozenModel) -> Base:
        """A frozen base model."""
        return cls(model.name, model.weights)


def base_models(task: PlantedTask) -> tuple[Base, ...]:
    """The frozen base models of a task, in the order of their seeds.

    Raises:
        FrozenModelError: When there is none, when one can't be trusted, or when one is older than the task and was
            never certified for it.
    """
    models = frozen_models(task).values()
    lacking = [model.record.seed for model in models if not is_certified(task, model.record.certificate)]
    if lacking:
        seeds = ",".join(map(str, lacking))
        raise FrozenModelError(
            f"The base models {task.models_id} of seeds {seeds} are not certified for {task.id}: add its checks with "
            f"`scribe-suite plant {task.id} --seeds {seeds}`, which trains nothing."
        )
    return tuple(map(Base.of, models))


def is_certified(task: PlantedTask, certificate: Certificate) -> bool:
    """Whether a certificate has the checks of a task, of which the reference solution's result is measured last."""
    return any(check.name == reference_check_name(task.name) for check in certificate.checks)


def reference_check_name(task_name: str) -> str:
    """The name of the check on the reference solution's result with the weights, at level 1."""
    return f"reference/{task_name}"
