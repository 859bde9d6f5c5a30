"""What the neuron tasks on a real language model share: questions for the best neurons, and their scores.

An instance asks for the neurons with the highest statistic. For the tasks on text that statistic is frozen, measured on
text the evaluator keeps (`measurement`); agents get other text, a part of the public pool that the seed draws.
"""

from __future__ import annotations

import json
import random
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Float
from safetensors.torch import save

from ground_truth.neurons.real.measurement import PLACES, TEXT_SCAN
from ground_truth.neurons.real.properties import Property, TextTask
from ground_truth.neurons.real.tokens import CONTEXT, TAGS, model_sizes, pool_text, vocabulary
from scribe_suite.measurements.measured_task import MeasuredTask
from scribe_suite.models.spec import SETUP_CODE
from scribe_suite.scoring.neuron_regret import REGRET_METRICS, Places, score_places, top, top_mean
from scribe_suite.seeds import instance_rng
from scribe_suite.tasks import Answer, AnswerSchema, NeuronAnswer, PublicMaterial, Score, TaskInstance

PUBLIC_TEXTS = 96
"""Texts an agent gets: about 12,000 tokens, two minutes of one thread."""

_VOCABULARY_CODE = """
import json
from safetensors.torch import load_file

vocabulary = json.load(open("vocabulary.json"))  # token id -> string
question = json.load(open("question.json"))
"""
_TEXT_CODE = """\
tokens = load_file("text.safetensors")["tokens"].long()  # one text per row, the start token at position 0
"""
_TAGS_CODE = """\
tags = load_file("text.safetensors")["tags"].long()  # the category of every token of `tokens`
tag_names = json.load(open("tag_names.json"))
"""
EXAMPLE: Mapping[str, Any] = {
    "confidence": 0.7,
    "nothing_found": False,
    "summary": "What was measured, and why it shows that these are the neurons.",
}
"""Of an answer, besides the neurons."""


@dataclass(frozen=True)
class Asked:
    """A property in one instance.

    Attributes:
        name: What is asked for.
        places: For how many neurons.
        reference: What a good choice reaches.
        untrained: Mean of the best neurons of the untrained twin.
        measure: Gives the hidden statistic of all neurons, layer by layer.
    """

    name: str
    places: int
    reference: float
    untrained: float
    measure: Callable[[], Float[np.ndarray, " neuron"]] = field(repr=False)

    @cached_property
    def statistic(self) -> Float[np.ndarray, " neuron"]:
        """The hidden statistic, when it is first needed."""
        return self.measure().astype(np.float64)

    @cached_property
    def best(self) -> list[int]:
        """The best neurons."""
        return top(self.statistic, self.places)

    def scored(self, neurons: Sequence[int]) -> Places:
        """Some neurons as a scorer wants them."""
        return Places(
            given=[float(self.statistic[neuron]) for neuron in neurons],
            hits=len(set(neurons) & set(self.best)),
            places=self.places,
            best=top_mean(self.statistic, self.places),
            reference=self.reference,
            untrained=self.untrained,
        )


@dataclass(frozen=True)
class HiddenRanking:
    """What the evaluator knows: the properties asked for, one or (letters) several."""

    asked: tuple[Asked, ...]


class MeasuredNeuronTask(MeasuredTask):
    """Base of the tasks that ask for the neurons with the highest statistic of a real model."""

    family = "neurons"
    metrics: ClassVar[tuple[str, ...]] = REGRET_METRICS

    @abstractmethod
    def drawn(self, rng: random.Random) -> tuple[tuple[Asked, ...], dict[str, Any]]:
        """What is asked, and the agent's ``question``, JSON-safe."""

    @abstractmethod
    def material(self, asked: Sequence[Asked], rng: random.Random) -> tuple[dict[str, bytes], str, dict[str, Any]]:
        """Files, the code that reads them and facts for the prompt, besides vocabulary and question."""

    def instance(self, seed: int) -> TaskInstance:
        """See `Task.instance`."""
        rng = instance_rng(self.id, seed)
        asked, question = self.drawn(rng)
        files, code, facts = self.material(asked, rng)
        strings = vocabulary(self.model)
        return TaskInstance(
            task=self,
            seed=seed,
            base_model=self.model,
            public=PublicMaterial(
                files={
                    **files,
                    "vocabulary.json": json.dumps(strings).encode(),
                    "question.json": json.dumps(question).encode(),
                },
                setup_code=SETUP_CODE + _VOCABULARY_CODE + code,
                facts={
                    "model": self.model_facts(),
                    **self.sizes(),
                    **question,
                    **facts,
                    "question": question,
                    "d_vocab": len(strings),
                },
                model=self.model,
            ),
            hidden=HiddenRanking(asked),
            answer_schema=self.answer_schema(question),
        )

    def sizes(self) -> dict[str, int]:
        """``n_layers`` and ``d_mlp``."""
        sizes = model_sizes(self.model)
        return {name: sizes[name] for name in ("n_layers", "d_mlp")}

    def answer_schema(self, question: Mapping[str, Any]) -> AnswerSchema:
        """What an answer to the question looks like: at most as many neurons as it asks for."""
        return AnswerSchema(
            model=NeuronAnswer,
            facts={**self.sizes(), "max_neurons": question["count"]},
            example={"neurons": self.shown_neurons(question["count"]), **EXAMPLE},
        )

    def shown_neurons(self, count: int) -> list[str]:
        """Neurons for an example answer, which are nothing special."""
        sizes = self.sizes()
        return [f"L{(5 * i + 2) % sizes['n_layers']}.N{(40 * i + 12) % sizes['d_mlp']}" for i in range(count)]

    def columns(self, instance: TaskInstance, answer: Answer) -> list[list[int]]:  # noqa: ARG002 - see `AlphabetReal`
        """The submitted neurons for every property asked, as indices into its statistic."""
        assert isinstance(answer, NeuronAnswer)
        return [[self.column(name) for name in answer.neurons]]

    def column(self, name: str) -> int:
        """Where the neuron ``L{layer}.N{neuron}`` is among all, layer by layer."""
        layer, neuron = name.removeprefix("L").split(".N")
        return int(layer) * self.sizes()["d_mlp"] + int(neuron)

    def neuron(self, column: int) -> str:
        """The name of what `column` gave."""
        layer, neuron = divmod(column, self.sizes()["d_mlp"])
        return f"L{layer}.N{neuron}"

    def score(self, instance: TaskInstance, answer: Answer) -> Score:
        """See `Task.score`: the hidden statistic of what was submitted, see `score_places`."""
        hidden: HiddenRanking = instance.hidden
        given = self.columns(instance, answer)
        return score_places([one.scored(columns) for one, columns in zip(hidden.asked, given, strict=True)])

    def submission(self, instance: TaskInstance, columns: Sequence[Sequence[int]]) -> Any:  # noqa: ARG002
        """The content of an answer that gives these neurons for the properties asked."""
        return [self.neuron(column) for column in columns[0]]

    def oracle_answer(self, instance: TaskInstance) -> dict[str, Any]:
        """See `Task.oracle_answer`: the best neurons on the hidden text."""
        best = [one.best for one in instance.hidden.asked]
        return {"neurons": self.submission(instance, best), "confidence": 1.0, "summary": "The answer key."}

    def random_answer(self, instance: TaskInstance, rng: random.Random) -> dict[str, Any]:
        """See `Task.random_answer`."""
        sizes = self.sizes()
        everything = range(sizes["n_layers"] * sizes["d_mlp"])
        chosen = [rng.sample(everything, one.places) for one in instance.hidden.asked]
        return {"neurons": self.submission(instance, chosen), "confidence": 0.0, "summary": "Drawn at random."}


class MeasuredTextTask(MeasuredNeuronTask):
    """Base of those whose statistic is measured on text."""

    measurement = TEXT_SCAN
    property_task: ClassVar[TextTask]
    with_tags: ClassVar[bool] = False

    @abstractmethod
    def described(self, asked: Sequence[Property]) -> dict[str, Any]:
        """What is asked, JSON-safe."""

    def properties(self) -> list[str]:
        """Names of the properties that can be asked for."""
        return [
            name.partition("/")[2]
            for name in self.measured().arrays["properties"].tolist()
            if name.partition("/")[0] == self.property_task
        ]

    def asked(self, name: str, places: int) -> Asked:
        """A property with what was measured of it."""
        arrays = self.measured().arrays
        row = arrays["properties"].tolist().index(f"{self.property_task}/{name}")
        at = PLACES.index(places)
        return Asked(
            name=name,
            places=places,
            reference=float(arrays["reference"][row, at]),
            untrained=float(arrays["untrained"][row, at]),
            measure=lambda: np.asarray(arrays["rve"][row]),
        )

    def drawn(self, rng: random.Random) -> tuple[tuple[Asked, ...], dict[str, Any]]:
        """See `MeasuredNeuronTask.drawn`: one property, and how many neurons."""
        name, places = rng.choice(self.properties()), rng.choice(COUNTS)
        question = {**self.described([Property(self.property_task, name)]), "count": places}
        return (self.asked(name, places),), question

    def material(
        self,
        asked: Sequence[Asked],  # noqa: ARG002 - see `MeasuredNeuronTask.material`
        rng: random.Random,
    ) -> tuple[dict[str, bytes], str, dict[str, Any]]:
        """See `MeasuredNeuronTask.material`: a part of the public text."""
        text = pool_text("public", self.model)
        rows = torch.tensor(rng.sample(range(len(text.tokens)), PUBLIC_TEXTS))
        tensors, files = {"tokens": text.tokens[rows].int()}, {}
        if self.with_tags:
            tensors["tags"] = text.tags[rows].int()
            files["tag_names.json"] = json.dumps(TAGS).encode()
        code = _TEXT_CODE + (_TAGS_CODE if self.with_tags else "")
        facts = {"n_texts": PUBLIC_TEXTS, "text_length": CONTEXT}
        return {**files, "text.safetensors": save(tensors)}, code, facts


COUNTS = range(3, PLACES.stop)
"""How many neurons a question asks for."""
