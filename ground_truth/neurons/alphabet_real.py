"""Which neuron of a real language model follows each of some letters most?"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from ground_truth.neurons.real.hidden import AskedProperty
from ground_truth.neurons.real.measurement import PLACES
from ground_truth.neurons.real.properties import LETTERS
from ground_truth.neurons.real.task import EXAMPLE, MeasuredTextTask
from scribe_suite.scoring.neuron_share import fixed_share
from scribe_suite.tasks import Answer, AnswerSchema, LetterAnswer, TaskInstance
from scribe_suite.tasks.answers import expect

#: Letters that an instance asks for.
N_LETTERS = 5


class AlphabetReal(MeasuredTextTask):
    """Find the best neuron of each letter."""

    name = "alphabet_real"
    laboratory_solution = "alphabet_real_lab"
    kind = LETTERS
    summary = (
        "In a real language model, find the neurons that fire most clearly on tokens that start with some letters."
    )

    def public_question(self, names: Sequence[str]) -> dict[str, Any]:
        """``letters``: those asked for."""
        return {"letters": list(names)}

    def drawn(self, rng: random.Random) -> tuple[tuple[AskedProperty, ...], dict[str, Any]]:
        """See `MeasuredNeuronTask.drawn`: several letters, and one neuron for each."""
        letters = rng.sample(self.properties(), N_LETTERS)
        question = self.public_question(letters)
        return tuple(self.asked(letter, 1) for letter in letters), question

    def share_of(
        self,
        statistic: Float[np.ndarray, "property neuron"],
        untrained: Float[np.ndarray, "property number"],
        reference: Float[np.ndarray, "property number"],
    ) -> float:
        """See `MeasuredTextTask.share_of`: several letters with one place each are judged by their mean.

        A fixed answer has one neuron for all letters, so its statistic on the mean letter is its average.
        """
        mean = statistic.mean(0, keepdims=True)
        first = [PLACES.index(1)]
        zero, one = (values.mean(0, keepdims=True)[:, first] for values in (untrained, reference))
        return fixed_share(mean, zero, one, [1])

    def answer_schema(self, question: Mapping[str, Any]) -> AnswerSchema:
        """A neuron, or null, for every letter asked for."""
        letters = question["letters"]
        shown = dict(zip(letters, self.shown_neurons(len(letters)), strict=True))
        facts = {**self.sizes(), "letters": letters}
        return AnswerSchema(model=LetterAnswer, facts=facts, example={"neurons": shown, **EXAMPLE})

    def columns(self, instance: TaskInstance, answer: Answer) -> list[list[int]]:
        """See `MeasuredNeuronTask.columns`: a letter without a neuron has an empty place."""
        neurons = expect(answer, LetterAnswer).neurons
        given = (neurons.get(one.name) for one in instance.hidden.asked)
        return [[] if name is None else [self.column(name)] for name in given]

    def submission(self, instance: TaskInstance, columns: Sequence[Sequence[int]]) -> dict[str, str]:
        """See `MeasuredNeuronTask.submission`."""
        letters = (one.name for one in instance.hidden.asked)
        return {letter: self.neuron(chosen[0]) for letter, chosen in zip(letters, columns, strict=True)}
