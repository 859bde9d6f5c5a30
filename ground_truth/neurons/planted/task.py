"""What the neuron tasks share: base models with planted neurons, fresh instances, questions, scoring of neuron sets.

One language model carries the planted neurons of all five tasks (`scribe_suite.planting.neurons`), so that the neurons
of one task are what the scans of another must not fall for. An instance asks one question about one model, after a
drawn symmetry, on fresh text. Definitions follow Gurnee et al. 2024, "Universal Neurons in GPT2 Language Models"
(arXiv 2401.12181, section 4).
"""

from __future__ import annotations

import json
import random
from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from functools import cache
from statistics import fmean
from typing import Any, ClassVar

import torch
from safetensors.torch import save

from ground_truth.neurons.planted.public import renamed_strings, setup_code
from ground_truth.neurons.planted.truth import Base, Draw, HiddenTruth, Key, asked_in, key_of
from scribe_suite.paths import suite_root
from scribe_suite.planting.english import TAGS, sample_text, vocabulary
from scribe_suite.planting.frozen import (
    Certificate,
    Check,
    FrozenModel,
    frozen_folder,
    load_all_frozen,
    round_to_half,
    save_frozen,
)
from scribe_suite.planting.hooked import ModelWeights, public_files
from scribe_suite.planting.neurons.certificate import Evidence, neuron_checks
from scribe_suite.planting.neurons.draw import draw_plan
from scribe_suite.planting.neurons.measure import all_neurons
from scribe_suite.planting.neurons.plan import BARS, NeuronPlan, TaskName
from scribe_suite.planting.neurons.survey import CONTEXT
from scribe_suite.planting.neurons.training import TrainingSettings, train_planted
from scribe_suite.planting.reference import reference_answer
from scribe_suite.planting.symmetries import apply_symmetry, draw_symmetry
from scribe_suite.progress import ProgressCallback
from scribe_suite.scoring.normalise import best_blind_answer
from scribe_suite.scoring.sets import NEURON_METRICS, f1, score_neurons
from scribe_suite.seeds import instance_rng
from scribe_suite.tasks import Answer, AnswerSchema, NeuronAnswer, PlantedTask, PublicMaterial, Score, TaskInstance
from scribe_suite.tasks.registry import default_registry

CONFIG: Mapping[str, Any] = {
    "n_layers": 3,
    "d_model": 96,
    "n_heads": 4,
    "d_head": 24,
    "d_mlp": 512,
    "n_ctx": CONTEXT,
    "d_vocab": len(vocabulary()),
    "act_fn": "gelu",
    "normalization_type": "LN",
    "seed": None,
}

_PUBLIC_ROWS = 1000
_BLIND_INSTANCES = 200
_TRAINING_SEEDS = 1_000_000
"""Base model s trains on texts drawn with the seeds from s times this on."""
_REFERENCE_INSTANCES = 2
"""Instances of every task that the reference solution is measured on before a model is frozen."""
_REFERENCE_BAR = 0.9
_SHOWN_NEURONS = 12


class PlantedNeuronTask(PlantedTask):
    """Base of the tasks that ask for the neurons of a feature."""

    family = "neurons"
    name: ClassVar[TaskName]
    version = 2
    models = "language_model"
    metrics: ClassVar[tuple[str, ...]] = (*NEURON_METRICS, "rve")
    with_tags: ClassVar[bool] = False
    """Whether agents get the category of every token."""
    example: ClassVar[Mapping[str, Any]] = {
        "neurons": ["L0.N12", "L1.N3"],
        "confidence": 0.7,
        "nothing_found": False,
        "summary": "What was measured, and why it shows that these are the neurons.",
    }

    @abstractmethod
    def described(self, draw: Draw) -> dict[str, Any]:
        """What is asked, JSON-safe: the content of the agent's ``question``."""

    def facts(self, draw: Draw) -> dict[str, Any]:  # noqa: ARG002 - for those that override it
        """Further facts for the prompt."""
        return {}

    def choose(self, base: Base, rng: random.Random) -> tuple[str, ...]:
        """Which of a model's questions an instance asks: one."""
        return (rng.choice(base.names(self.name)),)

    def answer_schema(self, draw: Draw) -> AnswerSchema:
        """What an answer looks like."""
        return AnswerSchema(model=NeuronAnswer, facts=_sizes(draw.base.weights), example=self.example)

    def plant(self, seed: int, progress: ProgressCallback) -> None:
        """See `Task.plant`; the model serves all neuron tasks. About twenty CPU minutes on one thread."""
        settings = TrainingSettings()
        plan = draw_plan(seed, int(CONFIG["n_layers"]), int(CONFIG["d_mlp"]))
        trained = train_planted(
            CONFIG,
            plan,
            lambda step, rows: sample_text(_TRAINING_SEEDS * (seed + 1) + step, rows, CONTEXT),
            seed,
            settings,
            lambda done, line: progress(0.8 * done, line),
        )
        self.freeze(seed, round_to_half(trained), plan, settings, progress)

    def freeze(
        self, seed: int, weights: ModelWeights, plan: NeuronPlan, settings: TrainingSettings, progress: ProgressCallback
    ) -> None:
        """Certify and save a trained model; the last step of `plant`.

        Raises:
            FrozenModelError: When the certificate fails; nothing is written then.
        """
        progress(0.8, "measuring the certificate")
        evidence = Evidence(weights, plan)
        checks = neuron_checks(evidence)
        key = key_of(plan, evidence.near_misses)
        if all(check.passed for check in checks):
            checks = (*checks, *_reference_checks(seed, weights, key, progress))
        save_frozen(
            frozen_folder(self),
            self,
            seed,
            weights,
            {"questions": key},
            Certificate(checks=checks),
            {**asdict(settings), "torch": torch.__version__},
        )
        progress(1.0, "frozen")

    def instance(self, seed: int) -> TaskInstance:
        """See `Task.instance`."""
        return self.instance_of(base_models(), seed)

    def instance_of(self, bases: Sequence[Base], seed: int) -> TaskInstance:
        """The instance of `seed` if there were only these base models."""
        draw = self.draw(bases, seed)
        weights = apply_symmetry(draw.base.weights, draw.symmetry)
        text = sample_text(draw.public_seed, _PUBLIC_ROWS, CONTEXT)
        question = {**self.described(draw), "bar": BARS[self.name]}
        tensors = {"tokens": draw.symmetry.tokens(text.tokens).int()}
        files = {
            **public_files(weights),
            "vocabulary.json": json.dumps(renamed_strings(draw.symmetry)).encode(),
            "question.json": json.dumps(question).encode(),
        }
        if self.with_tags:
            tensors["tags"] = text.tags.int()
            files["tag_names.json"] = json.dumps(TAGS).encode()
        return TaskInstance(
            task=self,
            seed=seed,
            base_model=draw.base.name,
            public=PublicMaterial(
                files={**files, "text.safetensors": save(tensors)},
                setup_code=setup_code(with_tags=self.with_tags),
                facts={
                    **_sizes(weights),
                    **question,
                    **self.facts(draw),
                    "question": question,
                    "n_texts": text.tokens.shape[0],
                    "text_length": text.tokens.shape[1],
                    "d_vocab": len(vocabulary()),
                },
            ),
            hidden=HiddenTruth(
                asked=tuple(asked_in(self.name, name, draw) for name in draw.names),
                weights=weights,
                symmetry=draw.symmetry,
                text_seed=draw.hidden_seed,
                reference=draw.base.references[self.name],
            ),
            answer_schema=self.answer_schema(draw),
        )

    def draw(self, bases: Sequence[Base], seed: int) -> Draw:
        """What the instance of `seed` is made of."""
        rng = instance_rng(self.id, seed)
        base = rng.choice(bases)
        return Draw(
            base=base,
            names=self.choose(base, rng),
            symmetry=draw_symmetry(base.weights.config, rng.getrandbits(62), labels="as_tokens"),
            public_seed=rng.getrandbits(62),
            hidden_seed=rng.getrandbits(62),
        )

    def score(self, instance: TaskInstance, answer: Answer) -> Score:
        """See `Task.score`; `rve` is the mean statistic of the submitted neurons on held-out text."""
        assert isinstance(answer, NeuronAnswer)
        hidden: HiddenTruth = instance.hidden
        (asked,) = hidden.asked
        score = score_neurons(answer.neurons, asked.neurons, _blind_answer(self), hidden.reference)
        found = hidden.statistic(asked, answer.neurons)
        return replace(
            score,
            metrics={**score.metrics, "rve": fmean(found) if found else 0.0, **self.further_metrics(hidden, answer)},
            notes=measured_note(zip(answer.neurons, found, strict=True)),
        )

    def primary_score(self, instance: TaskInstance, answer: Answer) -> float:
        """The primary metric alone, which needs no other base model to compare with."""
        assert isinstance(answer, NeuronAnswer)
        return f1(frozenset(answer.neurons), instance.hidden.neurons)

    def further_metrics(
        self,
        hidden: HiddenTruth,  # noqa: ARG002 - for those that override it
        answer: NeuronAnswer,  # noqa: ARG002
    ) -> dict[str, float]:
        """Metrics beside those of all neuron tasks."""
        return {}

    def oracle_answer(self, instance: TaskInstance) -> dict[str, Any]:
        """See `Task.oracle_answer`."""
        return {"neurons": sorted(instance.hidden.neurons), "confidence": 1.0, "summary": "The answer key."}

    def random_answer(self, instance: TaskInstance, rng: random.Random) -> dict[str, Any]:
        """See `Task.random_answer`."""
        names = {random_neuron(instance, rng) for _ in range(rng.randint(1, 6))}
        return {"neurons": sorted(names), "confidence": 0.0, "summary": "Drawn at random."}


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


@cache
def base_models() -> tuple[Base, ...]:
    """Every frozen base model of the neuron tasks.

    Raises:
        FrozenModelError: When there is none, or one of them can't be trusted.
    """
    return tuple(map(_base_of, load_all_frozen(_any_task())))


def _any_task() -> PlantedNeuronTask:
    return next(task for task in default_registry().values() if isinstance(task, PlantedNeuronTask))


def _base_of(model: FrozenModel) -> Base:
    references = {
        check.name.removeprefix("reference/"): check.value
        for check in model.record.certificate.checks
        if check.name.startswith("reference/")
    }
    return Base(model.name, model.weights, model.record.key["questions"], references)


def _reference_checks(seed: int, weights: ModelWeights, key: Key, progress: ProgressCallback) -> list[Check]:
    """The worst result of every task's reference solution on a few instances of a model that is not frozen yet."""
    tasks = [task for task in default_registry().values() if isinstance(task, PlantedNeuronTask)]
    base = Base(f"seed{seed}", weights, key, {task.name: 1.0 for task in tasks})
    checks = []
    for number, task in enumerate(tasks):
        reached = []
        for repeat in range(_REFERENCE_INSTANCES):
            done = 0.85 + 0.15 * (number + repeat / _REFERENCE_INSTANCES) / len(tasks)
            progress(done, f"certified; measuring the reference solution of {task.id}")
            instance = task.instance_of([base], 1000 * seed + repeat)
            reached.append(task.primary_score(instance, reference_answer(suite_root(), instance)))
        checks.append(Check(name=f"reference/{task.name}", value=min(reached), bar=_REFERENCE_BAR, direction=">="))
    return checks


@cache
def _blind_answer(task: PlantedNeuronTask) -> frozenset[str]:
    """The best answer of somebody who knows the source but sees no model."""
    draws = [task.draw(base_models(), seed) for seed in range(_BLIND_INSTANCES)]
    keys = [frozenset().union(*(asked_in(task.name, name, draw).neurons for name in draw.names)) for draw in draws]
    neurons = all_neurons(int(CONFIG["n_layers"]), int(CONFIG["d_mlp"]))
    layers = [[str(neuron) for neuron in neurons if neuron.layer == layer] for layer in range(CONFIG["n_layers"])]
    return best_blind_answer(keys, layers, f1)


def _sizes(weights: ModelWeights) -> dict[str, int]:
    return {"n_layers": int(weights.config["n_layers"]), "d_mlp": int(weights.config["d_mlp"])}
