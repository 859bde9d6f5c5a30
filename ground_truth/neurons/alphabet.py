"""For each of some letters, which neuron fires on the tokens that start with it?

One of the letters asked for has no neuron, only near misses; the right answer for it is null.
"""

from __future__ import annotations

import random
from dataclasses import replace
from statistics import fmean
from typing import Any

from ground_truth.neurons.planted.base import Base, Draw
from ground_truth.neurons.planted.hidden import Hidden
from ground_truth.neurons.planted.levels import laboratory
from ground_truth.neurons.planted.task import EXAMPLE, PlantedNeuronTask, measured_note, random_neuron, sizes
from scribe_suite.planting.neurons.letters import LETTERS
from scribe_suite.scoring.letters import LETTER_METRICS, score_letters
from scribe_suite.tasks import Answer, AnswerSchema, LetterAnswer, Score, TaskInstance
from scribe_suite.tasks.answers import expect

#: How many letters of an instance have neurons, and how many have none.
N_PRESENT, N_ABSENT = 4, 1


class AlphabetNeurons(PlantedNeuronTask):
    """Find a neuron for each letter."""

    name = "alphabet"
    kind = LETTERS
    summary = "For some letters, find a neuron that fires on the tokens that start with it, or say that there is none."
    laboratory = laboratory({2: 60, 3: 36, 4: 12})
    laboratory_solution = "alphabet_lab"
    metrics = (*LETTER_METRICS, "rve")

    def choose(self, base: Base, rng: random.Random) -> tuple[str, ...]:
        """Several letters, shuffled; one of them has no neuron."""
        letters = [
            *rng.sample(base.names(self.kind), N_PRESENT),
            *rng.sample(base.names(self.kind, answered=False), N_ABSENT),
        ]
        return tuple(rng.sample(letters, len(letters)))

    def score(self, instance: TaskInstance, answer: Answer) -> Score:
        """See `Task.score`; `rve` is the mean RVE of the submitted neurons with their letters, on held-out text."""
        neurons = expect(answer, LetterAnswer).neurons
        hidden: Hidden = instance.hidden
        truth = {one.question.name: one.neurons for one in hidden.asked}
        given = {letter: neuron for letter, neuron in neurons.items() if neuron is not None}
        found = {
            one.question.name: hidden.statistic(one, [given[one.question.name]])[0]
            for one in hidden.asked
            if one.question.name in given
        }
        score = score_letters(given, truth, hidden.reference)
        return replace(
            score,
            metrics={**score.metrics, "rve": fmean(found.values()) if found else 0.0},
            notes=measured_note((f"{letter}: {given[letter]}", value) for letter, value in found.items()),
        )

    def primary_score(self, instance: TaskInstance, answer: Answer) -> float:
        """See `PlantedNeuronTask.primary_score`: accuracy over the letters."""
        return self.score(instance, answer).metrics["accuracy"]

    def oracle_answer(self, instance: TaskInstance) -> dict[str, Any]:
        """See `Task.oracle_answer`."""
        neurons = {one.question.name: min(one.neurons, default=None) for one in instance.hidden.asked}
        return {"neurons": neurons, "confidence": 1.0, "summary": "The answer key."}

    def random_answer(self, instance: TaskInstance, rng: random.Random) -> dict[str, Any]:
        """See `Task.random_answer`."""
        neurons = {letter: random_neuron(instance, rng) for letter in instance.answer_schema.facts["letters"]}
        return {"neurons": neurons, "confidence": 0.0, "summary": "Drawn at random."}

    def answer_schema(self, draw: Draw) -> AnswerSchema:
        """A neuron or null for every letter asked for."""
        facts: dict[str, Any] = {**sizes(draw.base.weights), "letters": list(draw.names)}
        shown = {letter: f"L{i % facts['n_layers']}.N{3 + 9 * i}" for i, letter in enumerate(draw.names)}
        shown[draw.names[-1]] = None  # type: ignore[assignment]
        return AnswerSchema(model=LetterAnswer, facts=facts, example={"neurons": shown, **EXAMPLE})

    def public_question(self, draw: Draw) -> dict[str, Any]:
        """``letters``: those asked for."""
        return {"letters": list(draw.names)}
