"""What is planted in one model: questions, the neurons that answer them, and near misses of both.

A `Wish` says what a neuron shall do and why, a `Question` which feature is asked for and which neurons answer it. Plans
are drawn from a seed by `draw`; training and certificate read them; keys of frozen models are made of their names.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from scribe_suite.planting.english import TaggedText
from scribe_suite.planting.neurons.features import Feature, Response
from scribe_suite.planting.neurons.measure import Neuron

TaskName = Literal["position", "position_1", "alphabet", "syntax", "unigram"]
Direction = Literal["rises", "falls", "either"]
"""Whether a neuron of a question is more active where the feature is larger, less active, or one of the two."""

BARS: dict[TaskName, float] = {
    "position": 0.65,
    "position_1": 0.5,
    "alphabet": 0.37,
    "syntax": 0.5,
    "unigram": 0.5,
}
"""RVE from which a neuron is a neuron of the feature. Those of words and letters are Gurnee et al.'s. For shapes over
positions it is higher: attention gets less sharp along a text, and an untrained neuron that sees it may reach 0.5."""


@dataclass(frozen=True)
class Wish:
    """A response and where it may be planted.

    Attributes:
        kind: ``key``, or which kind of near miss it is (``some variants``, ...).
        response: What the neuron shall do.
    """

    kind: str
    response: Response


@dataclass(frozen=True)
class Question:
    """Something that a task can ask about a model.

    Attributes:
        task: Which task asks it.
        name: What is asked for, for example a word or a letter; unique within the task.
        feature: What the neurons are compared with.
        direction: Which sign of the correlation counts.
        read_before: What comes next depends on it only where that has one of these tags; None is everywhere.
        wishes: The planted neurons of the answer (`key`) and the near misses. A question without a `key` has the
            answer "none".
    """

    task: TaskName
    name: str
    feature: Feature
    direction: Direction
    wishes: tuple[Wish, ...] = ()
    read_before: frozenset[int] | None = None

    @property
    def id(self) -> str:
        """``task/name``."""
        return f"{self.task}/{self.name}"

    @property
    def bar(self) -> float:
        """The RVE that makes a neuron one of the answer."""
        return BARS[self.task]

    def statistic(self, explained: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """What is compared with the bar: signed RVE, turned so that the direction asked for is positive."""
        if self.direction == "either":
            return explained.abs()
        return explained if self.direction == "rises" else -explained

    def where_read(self, text: TaggedText) -> Float[Tensor, "batch pos"]:
        """1.0 where a missing neuron must be felt: the feature is far from its middle, and the next token needs it."""
        values = self.feature.values(text)
        if self.feature.profile is None or set(self.feature.profile) <= {0.0, 1.0}:
            read = values > 0.5
        else:
            read = (values - 0.5).abs() > 0.25
        if self.read_before is not None:
            following = torch.isin(text.tags, torch.tensor(sorted(self.read_before)))
            read = read & torch.cat([following[:, 1:], torch.zeros_like(following[:, :1])], dim=1)
        return read.float()


@dataclass(frozen=True)
class Assignment:
    """One neuron, what it shall do, and for which question.

    Attributes:
        neuron: Which neuron.
        question: Id of the question.
        wish: What it shall do and why.
        strength: Activation where the response is 1.
    """

    neuron: Neuron
    question: str
    wish: Wish
    strength: float


@dataclass(frozen=True)
class NeuronPlan:
    """Everything that is planted in one model.

    Attributes:
        questions: All questions that can be asked about it.
        assignments: All planted neurons; each once.
    """

    questions: tuple[Question, ...]
    assignments: tuple[Assignment, ...]

    def neurons(self, question: str, *, key: bool) -> list[Neuron]:
        """The planted neurons of a question's answer, or its near misses."""
        return [
            item.neuron for item in self.assignments if item.question == question and (item.wish.kind == "key") == key
        ]

    def answered(self) -> list[Question]:
        """The questions whose answer is not "none"."""
        return [question for question in self.questions if self.neurons(question.id, key=True)]
