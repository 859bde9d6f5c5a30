"""The hidden side of the neuron tasks' instances: base models, what was drawn, what is right."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property

from torch import Tensor

from scribe_suite.planting.english import TaggedText, sample_text
from scribe_suite.planting.hooked import ModelWeights, build_model
from scribe_suite.planting.neurons.asking import ask
from scribe_suite.planting.neurons.measure import Neuron, all_neurons, neuron_activations, variance_explained
from scribe_suite.planting.neurons.plan import NeuronPlan, Question, TaskName
from scribe_suite.planting.neurons.survey import CONTEXT
from scribe_suite.planting.symmetries import Symmetry

_HIDDEN_ROWS = 500

Key = Mapping[str, Mapping[str, Sequence[str]]]
"""Question id -> ``key`` and ``near_misses`` -> neuron names."""


@dataclass(frozen=True)
class Base:
    """A base model, frozen or about to be.

    Attributes:
        name: Its name in records.
        weights: The model.
        key: Every question that can be asked about it, with the names of its neurons and near misses.
        references: Task name -> primary metric of the reference solution on this model.
    """

    name: str
    weights: ModelWeights
    key: Key
    references: Mapping[str, float]

    def names(self, task: str, *, answered: bool = True) -> list[str]:
        """The names of a task's questions that have an answer, or of those that have none."""
        found = [
            (question.partition("/")[2], bool(neurons["key"]))
            for question, neurons in self.key.items()
            if question.partition("/")[0] == task
        ]
        return sorted(name for name, has_key in found if has_key == answered)


@dataclass(frozen=True)
class Asked:
    """A question in one instance.

    Attributes:
        question: What is asked.
        neurons: The key neurons, in the instance's names.
        near_misses: Planted neurons that look like them.
    """

    question: Question
    neurons: frozenset[str]
    near_misses: frozenset[str]


@dataclass(frozen=True)
class Draw:
    """The choices that make an instance out of base models."""

    base: Base
    names: tuple[str, ...]
    symmetry: Symmetry
    public_seed: int
    hidden_seed: int


@dataclass(frozen=True)
class HiddenTruth:
    """What the evaluator knows.

    Attributes:
        asked: The questions, one or (letters) several.
        weights: The model of this instance.
        symmetry: From the base model to this instance.
        text_seed: Of the text on which answers are measured.
        reference: What the reference solution reaches on this base model.
    """

    asked: tuple[Asked, ...]
    weights: ModelWeights
    symmetry: Symmetry
    text_seed: int
    reference: float

    @property
    def neurons(self) -> frozenset[str]:
        """The key neurons of all questions."""
        return frozenset().union(*(one.neurons for one in self.asked))

    @property
    def near_misses(self) -> frozenset[str]:
        """The near misses of all questions."""
        return frozenset().union(*(one.near_misses for one in self.asked))

    @cached_property
    def text(self) -> TaggedText:
        """Held-out text, in the base model's token ids."""
        return sample_text(self.text_seed, _HIDDEN_ROWS, CONTEXT)

    @cached_property
    def activations(self) -> Tensor:
        """Float[batch*pos neuron] on the held-out text, measured when they are first asked for."""
        return neuron_activations(build_model(self.weights), self.symmetry.tokens(self.text.tokens))

    def column(self, neuron: str) -> int:
        """Where a neuron is on the ``neuron`` axis."""
        return _columns(int(self.weights.config["n_layers"]), int(self.weights.config["d_mlp"]))[neuron]

    def statistic(self, asked: Asked, neurons: Sequence[str]) -> list[float]:
        """What a question's bar is compared with, for some neurons, on the held-out text."""
        columns = [self.column(neuron) for neuron in neurons]
        feature = asked.question.feature.values(self.text).flatten()[:, None]
        return asked.question.statistic(variance_explained(self.activations[:, columns], feature)[:, 0]).tolist()


def key_of(plan: NeuronPlan, near_misses: Collection[Neuron]) -> dict[str, dict[str, list[str]]]:
    """A plan's questions as a frozen record keeps them.

    Args:
        plan: What was planted.
        near_misses: Those that do what they were made for (`Evidence.near_misses`); the others are not named.
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


def asked_in(task: TaskName, name: str, draw: Draw) -> Asked:
    """What is asked of a drawn model, and the neurons that are the answer to it."""
    neurons = draw.base.key[f"{task}/{name}"]
    return Asked(
        question=ask(task, name),
        neurons=frozenset(map(draw.symmetry.neuron, neurons["key"])),
        near_misses=frozenset(map(draw.symmetry.neuron, neurons["near_misses"])),
    )


@cache
def _columns(n_layers: int, d_mlp: int) -> dict[str, int]:
    return {str(neuron): column for column, neuron in enumerate(all_neurons(n_layers, d_mlp))}
