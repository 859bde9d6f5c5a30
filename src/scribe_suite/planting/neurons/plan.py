"""What is planted in one model: questions, the neurons that answer them, and near misses of both.

A `Target` says how a neuron is meant to respond and why, a `Question` which feature is asked for and which neurons
answer it. Plans are drawn from a seed by `draw`; training and certificate read them; keys of frozen models are made of
their names.
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

#: Whether a neuron of a question is more active where the feature is larger, less active, or one of the two.
Direction = Literal["rises", "falls", "either"]


@dataclass(frozen=True)
class Target:
    """The response that a planted neuron is trained to.

    Attributes:
        role: ``key``, or which kind of near miss it is (``some variants``, ...).
        response: How the neuron is meant to respond.
    """

    role: str
    response: Response


@dataclass(frozen=True)
class Question:
    """A question about a model.

    Attributes:
        kind: Id of its kind (`kinds.QuestionKind`).
        name: Its subject, for example a word or a letter; unique within the kind.
        feature: The feature that neurons are compared with.
        direction: Which sign of the correlation counts.
        bar: The variance explained (RVE) that makes a neuron one of the answer.
        targets: Those of the neurons that answer it (`key`) and of its near misses. A question without a `key` has
            the answer "none".
        read_before: The next token depends on the feature only where it has one of these tags; None is everywhere.
    """

    kind: str
    name: str
    feature: Feature
    direction: Direction
    bar: float
    targets: tuple[Target, ...] = ()
    read_before: frozenset[int] | None = None

    @property
    def id(self) -> str:
        """``kind/name``."""
        return f"{self.kind}/{self.name}"

    def statistic(self, explained: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """The number that is compared with the bar: RVE with the sign such that the requested direction is positive."""
        if self.direction == "either":
            return explained.abs()
        return explained if self.direction == "rises" else -explained

    def where_read(self, text: TaggedText) -> Float[Tensor, "batch pos"]:
        """1.0 where a missing neuron must matter: the feature is far from its middle, and the next token needs it."""
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
    """One planted neuron: its target, and the question that it is for.

    Attributes:
        neuron: The neuron.
        question: Id of the question.
        target: How it is meant to respond, and in which role.
        strength: Activation where the response is 1.
    """

    neuron: Neuron
    question: str
    target: Target
    strength: float


@dataclass(frozen=True)
class NeuronPlan:
    """Everything that is planted in one model.

    Attributes:
        questions: All possible questions about it.
        assignments: All planted neurons; each once.
    """

    questions: tuple[Question, ...]
    assignments: tuple[Assignment, ...]

    def neurons(self, question: str, *, key: bool) -> list[Neuron]:
        """The planted neurons of a question's answer, or its near misses."""
        return [
            item.neuron for item in self.assignments if item.question == question and (item.target.role == "key") == key
        ]

    def answered(self) -> list[Question]:
        """The questions whose answer is not "none"."""
        return [question for question in self.questions if self.neurons(question.id, key=True)]
