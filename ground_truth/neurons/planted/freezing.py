"""The last step of planting a base model: measure its certificate, reference solutions included, and save it."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, ClassVar

import torch

from ground_truth.neurons.planted.base import Base, key_of
from scribe_suite.paths import suite_root
from scribe_suite.planting.english import sample_text
from scribe_suite.planting.frozen import Certificate, Check, frozen_folder, save_frozen
from scribe_suite.planting.hooked import ModelWeights
from scribe_suite.planting.neurons.certificate import neuron_checks
from scribe_suite.planting.neurons.draw import draw_plan
from scribe_suite.planting.neurons.evidence import Evidence
from scribe_suite.planting.neurons.kinds import QuestionKind
from scribe_suite.planting.neurons.plan import NeuronPlan
from scribe_suite.planting.neurons.survey import CONTEXT
from scribe_suite.planting.neurons.training import TrainingSettings, train_planted
from scribe_suite.planting.reference import reference_answer
from scribe_suite.progress import ProgressCallback
from scribe_suite.tasks import Answer, PlantedTask, TaskInstance
from scribe_suite.tasks.registry import default_registry

#: How many instances of every task the reference solution is measured on, and the primary metric that it must reach.
_REFERENCE_INSTANCES, REFERENCE_BAR = 2, 0.9
#: Base model s trains on texts drawn with the seeds from s + 1 times this on.
_TRAINING_SEEDS = 1_000_000


class FreezableTask(PlantedTask):
    """What freezing needs from a neuron task; see `ground_truth.neurons.planted.task.PlantedNeuronTask`."""

    kinds: ClassVar[tuple[QuestionKind, ...]]
    config: ClassVar[Mapping[str, Any]]
    training: ClassVar[TrainingSettings]

    @abstractmethod
    def instance_of(self, base: Base, seed: int) -> TaskInstance:
        """The instance of `seed` made from this base model."""

    @abstractmethod
    def primary_score(self, instance: TaskInstance, answer: Answer) -> float:
        """The primary metric alone, which needs no frozen reference."""


def trained_model(task: FreezableTask, seed: int, progress: ProgressCallback) -> tuple[ModelWeights, NeuronPlan]:
    """Train the base model of a seed: about twenty CPU minutes on one thread, the first 0.8 of the progress."""
    plan = draw_plan(seed, task.kinds, int(task.config["n_layers"]), int(task.config["d_mlp"]))
    trained = train_planted(
        task.config,
        plan,
        lambda step, rows: sample_text(_TRAINING_SEEDS * (seed + 1) + step, rows, CONTEXT),
        seed,
        task.training,
        lambda done, line: progress(0.8 * done, line),
    )
    return trained, plan


def freeze_model(
    task: FreezableTask, seed: int, weights: ModelWeights, plan: NeuronPlan, progress: ProgressCallback
) -> None:
    """Certify and save a trained model.

    Args:
        task: One of the tasks that it is for.
        seed: Its seed.
        weights: The model as read back from disk (`frozen.round_to_half`).
        plan: Its plan.
        progress: Called with fractions from 0.8 on, where training ends.

    Raises:
        FrozenModelError: When the certificate fails; nothing is written then.
    """
    progress(0.8, "measuring the certificate")
    evidence = Evidence(weights, plan)
    checks = neuron_checks(evidence, task.kinds)
    key = key_of(plan, evidence.near_misses)
    if all(check.passed for check in checks):
        checks = (*checks, *_reference_checks(_sharing(task), Base(f"seed{seed}", weights, key, {}), seed, progress))
    save_frozen(
        frozen_folder(task),
        task,
        seed,
        weights,
        {"questions": key},
        Certificate(checks=checks),
        {**asdict(task.training), "torch": torch.__version__},
    )
    progress(1.0, "frozen")


def _sharing(task: FreezableTask) -> list[FreezableTask]:
    """The tasks that have the base models of `task`, with the weights, or it alone where it is not in the checkout."""
    known = [
        other
        for other in default_registry().values()
        if isinstance(other, FreezableTask) and other.models_id == task.models_id and other.access == "weights"
    ]
    return known or [task]


def _reference_checks(tasks: Sequence[FreezableTask], base: Base, seed: int, progress: ProgressCallback) -> list[Check]:
    """The worst result of every task's reference solution on a few instances of a model that is not frozen yet."""
    checks = []
    for number, task in enumerate(tasks):
        reached = []
        for repeat in range(_REFERENCE_INSTANCES):
            done = 0.85 + 0.15 * (number + repeat / _REFERENCE_INSTANCES) / len(tasks)
            progress(done, f"certified; measuring the reference solution of {task.id}")
            instance = task.instance_of(base, 1000 * seed + repeat)
            reached.append(task.primary_score(instance, reference_answer(suite_root(), instance)))
        checks.append(Check(name=f"reference/{task.label}", value=min(reached), bar=REFERENCE_BAR, direction=">="))
    return checks
