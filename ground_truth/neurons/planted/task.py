"""The base of the neuron tasks: base models with planted neurons, fresh instances, questions, scoring of sets.

An instance asks one question about one language model (`scribe_suite.planting.neurons`), after a drawn symmetry, on
fresh text. Definitions follow Gurnee et al. 2024, "Universal Neurons in GPT2 Language Models" (arXiv 2401.12181,
section 4).
"""

from __future__ import annotations

import json
import random
from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from statistics import fmean
from typing import Any, ClassVar

from safetensors.torch import save

from ground_truth.neurons.planted.base import Base, Draw, base_models
from ground_truth.neurons.planted.freezing import FreezableTask, freeze_model, trained_model
from ground_truth.neurons.planted.hidden import Hidden
from ground_truth.neurons.planted.language_model import CONFIG, KINDS
from ground_truth.neurons.planted.public import data_code, renamed_strings
from scribe_suite.planting.english import TAGS, sample_text, vocabulary
from scribe_suite.planting.frozen import round_to_half
from scribe_suite.planting.hooked import SETUP_CODE, ModelWeights, public_files
from scribe_suite.planting.neurons.kinds import QuestionKind
from scribe_suite.planting.neurons.plan import NeuronPlan
from scribe_suite.planting.neurons.survey import CONTEXT
from scribe_suite.planting.neurons.training import TrainingSettings
from scribe_suite.planting.symmetries import apply_symmetry, draw_symmetry
from scribe_suite.progress import ProgressCallback
from scribe_suite.scoring.sets import NEURON_METRICS, best_fixed_set, f1, score_neurons
from scribe_suite.seeds import instance_rng
from scribe_suite.tasks import Answer, AnswerSchema, NeuronAnswer, PublicMaterial, Score, TaskInstance
from scribe_suite.tasks.answers import expect

#: A valid answer, besides the neurons, which the prompt shows.
EXAMPLE: Mapping[str, Any] = {
    "confidence": 0.7,
    "summary": "What was measured, and why it shows that these are the neurons.",
}

#: How many texts an agent gets.
_PUBLIC_ROWS = 1000
#: How many instances the best answer that ignores the model is searched over.
_BLIND_INSTANCES = 200
#: How many neurons a note lists with their statistics.
_SHOWN_NEURONS = 12


class PlantedNeuronTask(FreezableTask):
    """Base of the tasks that ask for the neurons of a feature.

    Class attributes:
        kind: The kind of its questions.
        kinds: Everything that is planted in its base models, in the order in which questions are drawn. A task with
            base models of its own (`models`) says what they are planted with; `kind` must be among it.
        config: Shape of the base models: keyword arguments of HookedTransformerConfig.
        training: How they are trained.
        with_tags: Whether agents get the category of every token.
    """

    family = "neurons"
    version = 4
    models = "language_model"
    models_version: ClassVar[int] = 2
    metrics: ClassVar[tuple[str, ...]] = (*NEURON_METRICS, "rve")
    kind: ClassVar[QuestionKind]
    kinds: ClassVar[tuple[QuestionKind, ...]] = KINDS
    config: ClassVar[Mapping[str, Any]] = CONFIG
    training: ClassVar[TrainingSettings] = TrainingSettings()
    with_tags: ClassVar[bool] = False
    #: outputs identify no neuron, and each instance has another order of neurons
    black_box: ClassVar[bool] = False

    def instance(self, seed: int) -> TaskInstance:
        """See `Task.instance`: draw base model, questions, symmetry and texts."""
        return self._instance(self.draw(base_models(self), seed), seed)

    def instance_of(self, base: Base, seed: int) -> TaskInstance:
        """The instance of `seed` made from this base model."""
        return self._instance(self.draw((base,), seed), seed)

    def _instance(self, draw: Draw, seed: int) -> TaskInstance:
        weights = apply_symmetry(draw.base.weights, draw.symmetry)
        return TaskInstance(
            task=self,
            seed=seed,
            base_model=draw.base.name,
            public=self._public(draw, weights),
            hidden=Hidden(
                asked=draw.asked(self.kind),
                weights=weights,
                symmetry=draw.symmetry,
                text_seed=draw.hidden_seed,
                reference=self._reference(draw),
            ),
            answer_schema=self.answer_schema(draw),
        )

    def _reference(self, draw: Draw) -> float:
        """The reference solution's result on the base model; if that was not measured, the key's own score."""
        return draw.base.references.get(self.name, 1.0)  # with the weights, at every level

    def draw(self, bases: Sequence[Base], seed: int) -> Draw:
        """The draws of the instance of `seed`."""
        rng = instance_rng(self.question_id, seed)
        base = rng.choice(bases)
        return Draw(
            base=base,
            names=self.choose(base, rng),
            symmetry=draw_symmetry(base.weights.config, rng.getrandbits(62), labels="as_tokens"),
            public_seed=rng.getrandbits(62),
            hidden_seed=rng.getrandbits(62),
        )

    def choose(self, base: Base, rng: random.Random) -> tuple[str, ...]:
        """Choose one of a model's questions for an instance."""
        return (rng.choice(base.names(self.kind)),)

    def score(self, instance: TaskInstance, answer: Answer) -> Score:
        """See `Task.score`; `rve` is the mean statistic of the submitted neurons on held-out text."""
        submitted = expect(answer, NeuronAnswer)
        hidden: Hidden = instance.hidden
        (asked,) = hidden.asked
        score = score_neurons(submitted.neurons, asked.neurons, _blind_answer(self), hidden.reference)
        found = hidden.statistic(asked, submitted.neurons)
        return replace(
            score,
            metrics={**score.metrics, "rve": fmean(found) if found else 0.0},
            notes=measured_note(zip(submitted.neurons, found, strict=True)),
        )

    def primary_score(self, instance: TaskInstance, answer: Answer) -> float:
        """The primary metric alone, which needs no other base model to compare with."""
        return f1(frozenset(expect(answer, NeuronAnswer).neurons), instance.hidden.neurons)

    def oracle_answer(self, instance: TaskInstance) -> dict[str, Any]:
        """See `Task.oracle_answer`."""
        return {"neurons": sorted(instance.hidden.neurons), "confidence": 1.0, "summary": "The answer key."}

    def random_answer(self, instance: TaskInstance, rng: random.Random) -> dict[str, Any]:
        """See `Task.random_answer`."""
        names = {random_neuron(instance, rng) for _ in range(rng.randint(1, 6))}
        return {"neurons": sorted(names), "confidence": 0.0, "summary": "Drawn at random."}

    def plant(self, seed: int, progress: ProgressCallback) -> None:
        """See `PlantedTask.plant`; the model serves all tasks that share it. About twenty CPU minutes on one thread."""
        trained, plan = trained_model(self, seed, progress)
        self.freeze(seed, round_to_half(trained), plan, progress)

    def freeze(self, seed: int, weights: ModelWeights, plan: NeuronPlan, progress: ProgressCallback) -> None:
        """Certify and save a trained model; the last step of `plant`.

        Raises:
            FrozenModelError: When the certificate fails; nothing is written then.
        """
        freeze_model(self, seed, weights, plan, progress)

    def answer_schema(self, draw: Draw) -> AnswerSchema:
        """The schema of answers."""
        example = {"neurons": ["L0.N12", "L1.N3"], **EXAMPLE}
        return AnswerSchema(model=NeuronAnswer, facts=sizes(draw.base.weights), example=example)

    @abstractmethod
    def public_question(self, draw: Draw) -> dict[str, Any]:
        """The question, JSON-safe: the content of the agent's ``question``."""

    def further_facts(self, draw: Draw) -> dict[str, Any]:  # noqa: ARG002 - for those that override it
        """Facts for the prompt, besides those of all neuron tasks."""
        return {}

    def _public(self, draw: Draw, weights: ModelWeights) -> PublicMaterial:
        text = sample_text(draw.public_seed, _PUBLIC_ROWS, CONTEXT)
        question = {**self.public_question(draw), "bar": self.kind.bar}
        tensors = {"tokens": draw.symmetry.tokens(text.tokens).int()}
        files = {
            "vocabulary.json": json.dumps(renamed_strings(draw.symmetry)).encode(),
            "question.json": json.dumps(question).encode(),
        }
        if self.with_tags:
            tensors["tags"] = text.tags.int()
            files["tag_names.json"] = json.dumps(TAGS).encode()
        return PublicMaterial(
            model_files=public_files(weights),
            model_code=SETUP_CODE,
            data_files={**files, "text.safetensors": save(tensors)},
            data_code=data_code(with_tags=self.with_tags),
            facts={
                **sizes(weights),
                **question,
                **self.further_facts(draw),
                "reference": self._reference(draw),
                "question": question,
                "n_texts": text.tokens.shape[0],
                "text_length": text.tokens.shape[1],
                "d_vocab": len(vocabulary()),
            },
        )


def random_neuron(instance: TaskInstance, rng: random.Random) -> str:
    """Any neuron of the instance's model."""
    facts = instance.public.facts
    return f"L{rng.randrange(facts['n_layers'])}.N{rng.randrange(facts['d_mlp'])}"


def measured_note(found: Iterable[tuple[str, float]]) -> tuple[str, ...]:
    """One sentence with the statistic of submitted neurons on held-out text, or nothing."""
    listed = list(found)
    if not listed:
        return ()
    shown = ", ".join(f"{name} {value:z.2f}" for name, value in listed[:_SHOWN_NEURONS])
    more = f" and {len(listed) - _SHOWN_NEURONS} more" if len(listed) > _SHOWN_NEURONS else ""
    return (f"Variance explained on held-out text: {shown}{more}.",)


def sizes(weights: ModelWeights) -> dict[str, int]:
    """``n_layers`` and ``d_mlp`` of a model."""
    return {name: int(weights.config[name]) for name in ("n_layers", "d_mlp")}


@cache
def _blind_answer(task: PlantedNeuronTask) -> frozenset[str]:
    """The best answer that ignores the model, given knowledge of how instances are drawn."""
    bases = base_models(task)
    draws = [task.draw(bases, seed) for seed in range(_BLIND_INSTANCES)]
    return best_fixed_set([frozenset().union(*(one.neurons for one in draw.asked(task.kind))) for draw in draws])
