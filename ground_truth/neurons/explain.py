"""What does this neuron do? Predict its activation, token by token, on text that you have not seen.

The neurons follow rules over several tokens: conjunctions, exceptions, a window, a count, two unrelated alternatives in
one neuron, a word anywhere before. Every instance writes rules into a trained language model
(`scribe_suite.planting.neurons.compound`). The ground truth is the neuron's actual activation, not the planted rule.
"""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from safetensors.torch import save

from ground_truth.neurons.explained.hidden import HIDDEN_ROWS, Hidden
from ground_truth.neurons.explained.levels import FORMS, LABORATORY
from ground_truth.neurons.explained.pools import drawn_rule, drawn_texts
from ground_truth.neurons.planted.base import Base, base_models
from ground_truth.neurons.planted.freezing import FreezableTask, freeze_model, trained_model
from ground_truth.neurons.planted.language_model import CONFIG, KINDS
from ground_truth.neurons.planted.public import data_code, renamed_strings
from scribe_suite.laboratory.terms import Terms
from scribe_suite.planting.english import TAGS, TaggedText, vocabulary
from scribe_suite.planting.frozen import round_to_half
from scribe_suite.planting.hooked import SETUP_CODE, ModelWeights, public_files
from scribe_suite.planting.neurons.compound.writing import Prepared, prepare, write_rules
from scribe_suite.planting.neurons.kinds import QuestionKind
from scribe_suite.planting.neurons.survey import CONTEXT
from scribe_suite.planting.neurons.training import TrainingSettings
from scribe_suite.planting.symmetries import Symmetry, apply_to_folded, draw_symmetry
from scribe_suite.progress import ProgressCallback
from scribe_suite.scoring.explanation import EXPLANATION_METRICS, LIMITS, predicted_activations, score_explanation
from scribe_suite.scoring.submitted_function import FunctionResult, require_sandbox
from scribe_suite.seeds import instance_rng
from scribe_suite.tasks.answer_kinds import ExplanationAnswer, predict_arguments
from scribe_suite.tasks.answer_schema import AnswerSchema
from scribe_suite.tasks.answers import Answer, expect
from scribe_suite.tasks.material import PublicMaterial
from scribe_suite.tasks.task import Score, TaskInstance

#: Number of public texts.
_PUBLIC_ROWS = 1000

_CONSTANT = "def predict({arguments}):\n    return [0.0 for token in tokens]\n"
_GUESS = "def predict({arguments}):\n    return [float(token % {modulus} == 0) for token in tokens]\n"


class Explain(FreezableTask):
    """Explain neurons of a planted language model, well enough to predict them."""

    family = "neurons"
    name = "explain"
    version = 2
    summary = "Find out what a neuron does, and submit code that predicts its activations."
    levels: ClassVar[Mapping[int, str]] = {
        1: "one neuron, one conjunction with an exception",
        2: "three neurons: two unrelated conjunctions, a window, a conjunction of three",
    }
    laboratory: ClassVar[Mapping[int, Terms]] = LABORATORY
    laboratory_solution = "explain_lab"
    default_levels = (1,)
    headroom_levels = (3,)
    models = "language_model"
    models_version: ClassVar[int] = 2
    metrics = EXPLANATION_METRICS
    #: a model's outputs do not identify its neurons
    black_box: ClassVar[bool] = False
    kinds: ClassVar[tuple[QuestionKind, ...]] = KINDS
    config: ClassVar[Mapping[str, Any]] = CONFIG
    training: ClassVar[TrainingSettings] = TrainingSettings()

    def instance(self, seed: int) -> TaskInstance:
        """See `Task.instance`: draw base model, rules, symmetry and texts; only hidden texts are written anew.

        Raises:
            InfrastructureError: With cause ``sandbox`` if submitted functions can't be run.
        """
        require_sandbox()
        rng = instance_rng(self.question_id, seed)
        return self._instance(rng.choice(base_models(self)), seed, rng)

    def instance_of(self, base: Base, seed: int) -> TaskInstance:
        """The instance of `seed` made from this base model."""
        rng = instance_rng(self.question_id, seed)
        rng.choice((base,))
        return self._instance(base, seed, rng)

    def _instance(self, base: Base, seed: int, rng: random.Random) -> TaskInstance:
        rules = [drawn_rule(rng.choice(forms), rng) for forms in FORMS[self.level]]
        generator = torch.Generator().manual_seed(rng.getrandbits(62))
        wide, names = write_rules(_prepared(base), rules, generator)
        symmetry = draw_symmetry(wide.config, rng.getrandbits(62), labels="as_tokens")
        weights = apply_to_folded(wide, symmetry)
        text, hidden_seed = drawn_texts(_PUBLIC_ROWS, rng), rng.getrandbits(62)
        asked = dict(zip(map(symmetry.neuron, names), rules, strict=True))
        return TaskInstance(
            task=self,
            seed=seed,
            base_model=base.name,
            public=_public(weights, symmetry, list(asked), text),
            hidden=Hidden(asked, weights, symmetry, hidden_seed),
            answer_schema=_schema(list(asked)),
        )

    def score(self, instance: TaskInstance, answer: Answer) -> Score:
        """See `Task.score`: weighted correlation on hidden texts; see `scribe_suite.scoring.explanation`."""
        hidden: Hidden = instance.hidden
        code, neurons = expect(answer, ExplanationAnswer).code, list(hidden.rules)
        result = predicted_activations(code, hidden.rows, neurons) if code else FunctionResult(None)
        return score_explanation(result, [CONTEXT] * HIDDEN_ROWS, hidden.truths)

    def primary_score(self, instance: TaskInstance, answer: Answer) -> float:
        """The skill: the planted rules are its ceiling, so that no other base model is needed."""
        return self.score(instance, answer).skill

    def oracle_answer(self, instance: TaskInstance) -> dict[str, Any]:
        """The rules that were planted, in the instance's names."""
        return {"code": instance.hidden.source(), "confidence": 1.0, "summary": "The rules that were planted."}

    def random_answer(self, instance: TaskInstance, rng: random.Random) -> dict[str, Any]:
        """A list of tokens that is unrelated to the neurons."""
        arguments = ", ".join(predict_arguments(list(instance.hidden.rules)))
        code = _GUESS.format(arguments=arguments, modulus=rng.randint(2, 20))
        return {"code": code, "confidence": 0.0, "summary": "Drawn at random."}

    def plant(self, seed: int, progress: ProgressCallback) -> None:
        """See `PlantedTask.plant`; the language model serves all tasks that share it."""
        trained, plan = trained_model(self, seed, progress)
        freeze_model(self, seed, round_to_half(trained), plan, progress)


#: Results of `prepare` for the base models of this process, with the weights that they were made from.
_PREPARED: dict[str, tuple[ModelWeights, Prepared]] = {}


def _prepared(base: Base) -> Prepared:
    """See `prepare`."""
    if base.name not in _PREPARED or _PREPARED[base.name][0] is not base.weights:
        _PREPARED[base.name] = base.weights, prepare(base.weights)
    return _PREPARED[base.name][1]


def _public(weights: ModelWeights, symmetry: Symmetry, neurons: list[str], text: TaggedText) -> PublicMaterial:
    question = {"neurons": neurons}
    return PublicMaterial(
        model_files=public_files(weights),
        model_code=SETUP_CODE,
        data_files={
            "vocabulary.json": json.dumps(renamed_strings(symmetry)).encode(),
            "question.json": json.dumps(question).encode(),
            "tag_names.json": json.dumps(TAGS).encode(),
            "text.safetensors": save({"tokens": symmetry.tokens(text.tokens).int(), "tags": text.tags.int()}),
        },
        data_code=data_code(with_tags=True),
        facts={
            "n_layers": int(weights.config["n_layers"]),
            "d_mlp": int(weights.config["d_mlp"]),
            **question,
            "question": question,
            "n_texts": text.tokens.shape[0],
            "text_length": text.tokens.shape[1],
            "n_hidden": HIDDEN_ROWS,
            "d_vocab": len(vocabulary()),
            "arguments": list(predict_arguments(neurons)),
            "seconds": LIMITS.time_s,
        },
    )


def _schema(neurons: list[str]) -> AnswerSchema:
    example = {
        "code": _CONSTANT.format(arguments=", ".join(predict_arguments(neurons))),
        "confidence": 0.7,
        "summary": "What makes the neuron fire, how I found that, and what supports it.",
    }
    return AnswerSchema(ExplanationAnswer, {"neurons": neurons}, example)
