"""The base of the neuron tasks on a real language model: questions for the best neurons, and their scores.

An instance asks for the neurons with the highest statistic. For the tasks on text that statistic is frozen, measured on
text the evaluator keeps (`measurement`); agents get other text, a part of the public pool that the seed draws.
"""

from __future__ import annotations

import json
import random
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Float
from safetensors.torch import save

from ground_truth.neurons.real.hidden import AskedProperty, Hidden
from ground_truth.neurons.real.levels import BUDGETS, granted
from ground_truth.neurons.real.measurement import PLACES, TEXT_SCAN
from ground_truth.neurons.real.properties import PropertyKind
from ground_truth.neurons.real.tokens import CONTEXT, TAGS, model_sizes, pool_text, vocabulary
from scribe_suite.laboratory.terms import Terms
from scribe_suite.measurements.measured_task import MeasuredTask
from scribe_suite.measurements.store import Measured
from scribe_suite.models.spec import SETUP_CODE
from scribe_suite.scoring.neuron_share import SHARE_METRICS, fixed_share, score_places
from scribe_suite.seeds import instance_rng
from scribe_suite.tasks import Answer, AnswerSchema, NeuronAnswer, PublicMaterial, Score, TaskInstance
from scribe_suite.tasks.answers import expect

#: How many texts an agent gets: about 12,000 tokens, two minutes on one thread.
PUBLIC_TEXTS = 96

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
#: Of an answer, besides the neurons.
EXAMPLE: Mapping[str, Any] = {
    "confidence": 0.7,
    "summary": "What was measured, and why it shows that these are the neurons.",
}


class MeasuredNeuronTask(MeasuredTask):
    """Base of the tasks that ask for the neurons with the highest statistic of a real model."""

    family = "neurons"
    version = 4
    metrics = SHARE_METRICS
    _known: tuple[Measured, float] | None = None

    @abstractmethod
    def drawn(self, rng: random.Random) -> tuple[tuple[AskedProperty, ...], dict[str, Any]]:
        """The drawn properties, and the agent's ``question``, JSON-safe."""

    @abstractmethod
    def fixed_share(self) -> float:
        """The value of the best fixed answer, which defines zero (`scribe_suite.scoring.neuron_share`)."""

    @abstractmethod
    def material(
        self, asked: Sequence[AskedProperty], rng: random.Random
    ) -> tuple[dict[str, bytes], str, dict[str, Any]]:
        """Files, the code that reads them and facts for the prompt, besides vocabulary and question."""

    def instance(self, seed: int) -> TaskInstance:
        """See `Task.instance`."""
        rng = instance_rng(self.question_id, seed)
        asked, question = self.drawn(rng)
        files, code, facts = self.material(asked, rng)
        strings = vocabulary(self.model)
        return TaskInstance(
            task=self,
            seed=seed,
            base_model=self.model,
            public=PublicMaterial(
                model_code=SETUP_CODE,
                data_files={
                    **files,
                    "vocabulary.json": json.dumps(strings).encode(),
                    "question.json": json.dumps(question).encode(),
                },
                data_code=_VOCABULARY_CODE + code,
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
            hidden=Hidden(asked),
            answer_schema=self.answer_schema(question),
        )

    def sizes(self) -> dict[str, int]:
        """``n_layers`` and ``d_mlp``."""
        sizes = model_sizes(self.model)
        return {name: sizes[name] for name in ("n_layers", "d_mlp")}

    def answer_schema(self, question: Mapping[str, Any]) -> AnswerSchema:
        """The schema of answers to the question: at most as many neurons as it asks for."""
        return AnswerSchema(
            model=NeuronAnswer,
            facts={**self.sizes(), "max_neurons": question["count"]},
            example={"neurons": self.shown_neurons(question["count"]), **EXAMPLE},
        )

    def shown_neurons(self, count: int) -> list[str]:
        """Arbitrary neurons for an example answer."""
        sizes = self.sizes()
        return [f"L{(5 * i + 2) % sizes['n_layers']}.N{(40 * i + 12) % sizes['d_mlp']}" for i in range(count)]

    def columns(self, instance: TaskInstance, answer: Answer) -> list[list[int]]:  # noqa: ARG002 - see `AlphabetReal`
        """The submitted neurons for every property in question, as indices into its statistic."""
        return [[self.column(name) for name in expect(answer, NeuronAnswer).neurons]]

    def column(self, name: str) -> int:
        """The index of the neuron ``L{layer}.N{neuron}`` among all, layer by layer."""
        layer, neuron = name.removeprefix("L").split(".N")
        return int(layer) * self.sizes()["d_mlp"] + int(neuron)

    def neuron(self, column: int) -> str:
        """The inverse of `column`: a neuron's name."""
        layer, neuron = divmod(column, self.sizes()["d_mlp"])
        return f"L{layer}.N{neuron}"

    def score(self, instance: TaskInstance, answer: Answer) -> Score:
        """See `Task.score`: the hidden statistic of the submitted neurons, see `score_places`."""
        hidden: Hidden = instance.hidden
        given = self.columns(instance, answer)
        scored = [one.scored(columns) for one, columns in zip(hidden.asked, given, strict=True)]
        return score_places(scored, self._zero())

    def _zero(self) -> float:
        """`fixed_share`, computed once per truth: it takes a fifth of a second."""
        truth = self.measured()
        if self._known is None or self._known[0] is not truth:
            self._known = (truth, self.fixed_share())
        return self._known[1]

    def submission(self, instance: TaskInstance, columns: Sequence[Sequence[int]]) -> Any:  # noqa: ARG002
        """The content of an answer with these neurons for the properties in question."""
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
    """Base of those whose statistic is measured on text.

    Class attributes:
        kind: Kind of the properties that it asks about; its measurement must look at them. A task with a kind of its
            own brings a measurement of its own, a subclass of `TextScan`.
        with_tags: Whether agents get the category of every token.
    """

    measurement = TEXT_SCAN
    laboratory: ClassVar[Mapping[int, Terms]] = granted(BUDGETS)
    kind: ClassVar[PropertyKind]
    with_tags: ClassVar[bool] = False

    @abstractmethod
    def public_question(self, names: Sequence[str]) -> dict[str, Any]:
        """The question about the properties of these names, JSON-safe."""

    def properties(self) -> list[str]:
        """Names of the possible properties."""
        return [
            name.partition("/")[2]
            for name in self.measured().arrays["properties"].tolist()
            if name.partition("/")[0] == self.kind.id
        ]

    def fixed_share(self) -> float:
        """See `MeasuredNeuronTask.fixed_share`: from the frozen statistics."""
        arrays = self.measured().arrays
        known = arrays["properties"].tolist()
        rows = [known.index(f"{self.kind.id}/{name}") for name in self.properties()]
        statistic, untrained, reference = (
            np.asarray(arrays[name])[rows].astype(np.float64) for name in ("rve", "untrained", "reference")
        )
        return self.share_of(statistic, untrained, reference)

    def share_of(
        self,
        statistic: Float[np.ndarray, "property neuron"],
        untrained: Float[np.ndarray, "property number"],
        reference: Float[np.ndarray, "property number"],
    ) -> float:
        """`fixed_share` for questions about one property, for as many neurons as are asked for."""
        columns = [PLACES.index(count) for count in COUNTS]
        return fixed_share(statistic, untrained[:, columns], reference[:, columns], COUNTS)

    def asked(self, name: str, places: int) -> AskedProperty:
        """A property with its measurements."""
        arrays = self.measured().arrays
        row = arrays["properties"].tolist().index(f"{self.kind.id}/{name}")
        at = PLACES.index(places)
        return AskedProperty(
            name=name,
            places=places,
            reference=float(arrays["reference"][row, at]),
            untrained=float(arrays["untrained"][row, at]),
            measure=lambda: np.asarray(arrays["rve"][row]),
        )

    def drawn(self, rng: random.Random) -> tuple[tuple[AskedProperty, ...], dict[str, Any]]:
        """See `MeasuredNeuronTask.drawn`: one property, and how many neurons."""
        name, places = rng.choice(self.properties()), rng.choice(COUNTS)
        question = {**self.public_question([name]), "count": places}
        return (self.asked(name, places),), question

    def material(
        self,
        asked: Sequence[AskedProperty],  # noqa: ARG002 - see `MeasuredNeuronTask.material`
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


#: How many neurons a question asks for.
COUNTS = range(3, PLACES.stop)
