"""The task ``neurons/alphabet``: for each of some letters, which neuron fires on the tokens that start with it?

One of the letters asked for has no neuron, only near misses; the right answer for it is null.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import replace
from statistics import fmean
from typing import Any, ClassVar

from ground_truth.neurons.planted.task import PlantedNeuronTask, measured_note, random_neuron
from ground_truth.neurons.planted.truth import Base, Draw, HiddenTruth
from scribe_suite.scoring.letters import LETTER_METRICS, score_letters
from scribe_suite.tasks import Answer, AnswerSchema, LetterAnswer, Score, TaskInstance

N_PRESENT = 4
N_ABSENT = 1


class AlphabetNeurons(PlantedNeuronTask):
    """Find a neuron for each letter."""

    name = "alphabet"
    summary = "For some letters, find a neuron that fires on the tokens that start with it, or say that there is none."
    metrics = (*LETTER_METRICS, "rve")
    example: ClassVar[Mapping[str, Any]] = {
        "confidence": 0.7,
        "nothing_found": False,
        "summary": "What was measured, and why it shows that these are the neurons.",
    }

    def choose(self, base: Base, rng: random.Random) -> tuple[str, ...]:
        """Several letters, shuffled; one of them has no neuron."""
        letters = [
            *rng.sample(base.names(self.name), N_PRESENT),
            *rng.sample(base.names(self.name, answered=False), N_ABSENT),
        ]
        return tuple(rng.sample(letters, len(letters)))

    def described(self, draw: Draw) -> dict[str, Any]:
        """``letters``: those asked for."""
        return {"letters": list(draw.names)}

    def answer_schema(self, draw: Draw) -> AnswerSchema:
        """A neuron or null for every letter asked for."""
        facts: dict[str, Any] = {
            "n_layers": int(draw.base.weights.config["n_layers"]),
            "d_mlp": int(draw.base.weights.config["d_mlp"]),
            "letters": list(draw.names),
        }
        shown = {letter: f"L{i % facts['n_layers']}.N{3 + 9 * i}" for i, letter in enumerate(draw.names)}
        shown[draw.names[-1]] = None  # type: ignore[assignment]
        return AnswerSchema(model=LetterAnswer, facts=facts, example={"neurons": shown, **self.example})

    def score(self, instance: TaskInstance, answer: Answer) -> Score:
        """See `Task.score`; `rve` is the mean RVE of the submitted neurons with their letters, on held-out text."""
        assert isinstance(answer, LetterAnswer)
        hidden: HiddenTruth = instance.hidden
        truth = {one.question.name: one.neurons for one in hidden.asked}
        given = {letter: neuron for letter, neuron in answer.neurons.items() if neuron is not None}
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
