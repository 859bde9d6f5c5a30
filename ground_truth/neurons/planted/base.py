"""Base models of the neuron tasks, and the draws that make an instance."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from ground_truth.neurons.planted.hidden import AskedQuestion
from scribe_suite.errors import FrozenModelError
from scribe_suite.planting.frozen import FrozenModel, frozen_models
from scribe_suite.planting.hooked import ModelWeights
from scribe_suite.planting.neurons.kinds import QuestionKind
from scribe_suite.planting.neurons.measure import Neuron
from scribe_suite.planting.neurons.plan import NeuronPlan
from scribe_suite.planting.symmetries import Symmetry
from scribe_suite.tasks import PlantedTask

#: Question id -> ``key`` and ``near_misses`` -> neuron names.
Key = Mapping[str, Mapping[str, Sequence[str]]]


@dataclass(frozen=True)
class Base:
    """A base model, frozen or about to be.

    Attributes:
        name: Its name in records.
        weights: The model.
        key: Every possible question about it, with the names of its neurons and near misses.
        references: Label of a task -> primary metric of the reference solution on this model. A task that was added
            after the model had been frozen is missing.
    """

    name: str
    weights: ModelWeights
    key: Key
    references: Mapping[str, float]

    @classmethod
    def of(cls, model: FrozenModel) -> Base:
        """A frozen model as a base of instances."""
        references = {
            check.name.removeprefix("reference/"): check.value
            for check in model.record.certificate.checks
            if check.name.startswith("reference/")
        }
        return cls(model.name, model.weights, model.record.key["questions"], references)

    def names(self, kind: QuestionKind, *, answered: bool = True) -> list[str]:
        """The names of the questions of a kind that have an answer, or of those that have none.

        Raises:
            FrozenModelError: When no question of that kind was planted in the model.
        """
        found = [
            (question.partition("/")[2], bool(neurons["key"]))
            for question, neurons in self.key.items()
            if question.partition("/")[0] == kind.id
        ]
        if not found:
            raise FrozenModelError(
                f"{self.name} has no questions of the kind {kind.id!r}: add it to the task's kinds and plant again."
            )
        return sorted(name for name, has_key in found if has_key == answered)


@dataclass(frozen=True)
class Draw:
    """The choices that make an instance out of base models.

    Attributes:
        base: The base model.
        names: The names of the questions that are asked.
        symmetry: From the base model to the instance.
        public_seed: The seed of the text that the agent gets.
        hidden_seed: The seed of the text on which answers are measured.
    """

    base: Base
    names: tuple[str, ...]
    symmetry: Symmetry
    public_seed: int
    hidden_seed: int

    def asked(self, kind: QuestionKind) -> tuple[AskedQuestion, ...]:
        """The questions, with the answers in the instance's neurons."""
        return tuple(self._asked(kind, name) for name in self.names)

    def _asked(self, kind: QuestionKind, name: str) -> AskedQuestion:
        question = kind.ask(name)
        neurons = self.base.key[question.id]
        return AskedQuestion(
            question=question,
            neurons=frozenset(map(self.symmetry.neuron, neurons["key"])),
            near_misses=frozenset(map(self.symmetry.neuron, neurons["near_misses"])),
        )


def base_models(task: PlantedTask) -> tuple[Base, ...]:
    """Every frozen base model of a neuron task.

    Raises:
        FrozenModelError: If there is none, or one of them can't be trusted.
    """
    return tuple(map(Base.of, frozen_models(task).values()))


def key_of(plan: NeuronPlan, near_misses: Collection[Neuron]) -> dict[str, dict[str, list[str]]]:
    """A plan's questions in the form of a frozen record.

    Args:
        plan: The plan.
        near_misses: Those that follow their targets (`Evidence.near_misses`); the others are not named.
    """
    return {
        question.id: {
            "key": sorted(map(str, plan.neurons(question.id, key=True))),
            "near_misses": sorted(
                str(neuron) for neuron in plan.neurons(question.id, key=False) if neuron in near_misses
            ),
        }
        for question in plan.questions
    }
