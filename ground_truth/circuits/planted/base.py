"""Base models with a planted circuit: loads the frozen keys and checks that they agree with the task's plans."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar
from weakref import WeakKeyDictionary

from scribe_suite.errors import FrozenModelError
from scribe_suite.planting.circuits.causal import Correspondence
from scribe_suite.planting.circuits.plant_circuit import CircuitPlan
from scribe_suite.planting.frozen import FrozenModel, frozen_models
from scribe_suite.planting.hooked import ModelWeights
from scribe_suite.tasks.task import PlantedTask

#: The first level at which copies of a circuit share the labels.
SHARED_FROM = 3


@dataclass(frozen=True)
class Base:
    """A base model from which instances are made.

    Attributes:
        name: Name of the base model.
        seed: The training seed, from which its plan is drawn.
        weights: Its weights.
        correspondence: The nodes of the variables.
    """

    name: str
    seed: int
    weights: ModelWeights
    correspondence: Correspondence

    @classmethod
    def of(cls, model: FrozenModel) -> Base:
        """A frozen base model."""
        variables = model.record.key["variables"]
        return cls(
            model.name, model.record.seed, model.weights, {name: tuple(nodes) for name, nodes in variables.items()}
        )


class PlannedTask(PlantedTask):
    """The part of a circuit task that base models need; see `ground_truth.circuits.planted.task.PlantedCircuitTask`.

    Class attributes:
        voices: How many copies of the circuit may share the labels at levels 3 and 4 (`planted.shared`); empty where
            the models are shared with the other levels.
    """

    voices: ClassVar[tuple[int, ...]] = ()

    @property
    def is_shared(self) -> bool:
        """Whether several copies of the circuit determine the labels at this level."""
        return bool(self.voices) and self.level >= SHARED_FROM

    @property
    def models_id(self) -> str:
        """See `PlantedTask.models_id`; models in which copies share the labels have their own id."""
        return f"{super().models_id}_shared" if self.is_shared else super().models_id

    @abstractmethod
    def plan(self, seed: int) -> CircuitPlan:
        """The plan of the base model of a training seed: causal model, nodes and training; deterministic."""


def base_models(task: PlannedTask) -> tuple[Base, ...]:
    """The frozen base models of a circuit task, in the order of their seeds.

    Raises:
        FrozenModelError: If there is none, or if one can't be trusted or has a different circuit than its plan.
    """
    models = frozen_models(task)
    if _CHECKED.get(task) is not models:
        for model in models.values():
            key, planned = model.record.key, key_of_plan(task.plan(model.record.seed))
            if (key.get("one_circuit") if task.is_shared else key) != planned:
                raise FrozenModelError(
                    f"The key of {model.name} is not the circuit that its seed stands for: the task's code has "
                    f"changed since; make it again with `scribe-suite plant {task.id} --seeds {model.record.seed} "
                    "--force`."
                )
        _CHECKED[task] = models
    return tuple(map(Base.of, models.values()))


#: Task -> the models whose keys have been compared with its plans.
_CHECKED: WeakKeyDictionary[PlannedTask, Mapping[str, FrozenModel]] = WeakKeyDictionary()


def key_of_plan(plan: CircuitPlan) -> dict[str, Any]:
    """The ground truth as it is frozen next to the weights: the nodes and the parents of all variables."""
    return {
        "variables": {name: list(nodes) for name, nodes in plan.correspondence.items()},
        "edges": [list(edge) for edge in plan.causal.edges],
    }
