"""What does this neuron of a real language model do? Predict its activation, token by token, on text you have not seen.

These neurons were not planted, so no rule is known. The ground truth is the neuron's activation; a fitted model
measures how well it can be predicted (`ground_truth.neurons.explained_real.models`).
"""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from typing import Any, ClassVar

from safetensors.torch import save

from ground_truth.neurons.explained_real.hidden import Hidden
from ground_truth.neurons.explained_real.levels import ASKED, LABORATORY
from ground_truth.neurons.explained_real.measurement import EXPLAIN_SCAN
from ground_truth.neurons.explained_real.models import KEPT
from ground_truth.neurons.explained_real.strata import FIRING_SHARE
from ground_truth.neurons.real.tokens import CONTEXT, model_sizes, pool_text, vocabulary
from scribe_suite.laboratory.terms import Terms
from scribe_suite.measurements.measured_task import MeasuredTask
from scribe_suite.models.spec import SETUP_CODE
from scribe_suite.scoring.explanation import EXPLANATION_METRICS, LIMITS, predicted_activations, score_explanation
from scribe_suite.scoring.submitted_function import FunctionResult, require_sandbox
from scribe_suite.seeds import instance_rng
from scribe_suite.tasks.answer_kinds import ExplanationAnswer, predict_arguments
from scribe_suite.tasks.answer_schema import AnswerSchema
from scribe_suite.tasks.answers import Answer, expect
from scribe_suite.tasks.material import PublicMaterial
from scribe_suite.tasks.task import Score, TaskInstance

_CODE = """
import json
from safetensors.torch import load_file

vocabulary = json.load(open("vocabulary.json"))  # token id -> string
question = json.load(open("question.json"))
tokens = load_file("text.safetensors")["tokens"].long()  # one text per row, the start token at position 0
"""
_CONSTANT = "def predict({arguments}):\n    return [0.0 for token in tokens]\n"
_GUESS = "def predict({arguments}):\n    return [float(len(token) % {modulus} == 0) for token in tokens]\n"


class ExplainReal(MeasuredTask):
    """Explain neurons of a real language model, well enough to predict them."""

    family = "neurons"
    name = "explain_real"
    version = 2
    summary = "In a real language model, find out what a neuron does, and submit code that predicts its activations."
    levels: ClassVar[Mapping[int, str]] = {1: "one neuron", 2: "three neurons"}
    laboratory: ClassVar[Mapping[int, Terms]] = LABORATORY
    laboratory_solution = "explain_real_lab"
    default_levels = (1,)
    headroom_levels = (2,)
    measurement = EXPLAIN_SCAN
    metrics = EXPLANATION_METRICS
    #: a model's outputs do not identify its neurons
    black_box: ClassVar[bool] = False

    def instance(self, seed: int) -> TaskInstance:
        """See `Task.instance`: draw neurons; the texts are the same in all instances.

        Raises:
            InfrastructureError: With cause ``sandbox`` if submitted functions can't be run.
        """
        require_sandbox()
        rng = instance_rng(self.question_id, seed)
        neurons = rng.sample(self.pool(), ASKED[self.level])
        return TaskInstance(
            task=self,
            seed=seed,
            base_model=self.model,
            public=self._public(neurons),
            hidden=Hidden(neurons, self.measured().arrays),
            answer_schema=_schema(neurons),
        )

    def pool(self) -> list[str]:
        """The neurons from which instances of this level draw."""
        arrays = self.measured().arrays
        found = zip(arrays["neurons"].tolist(), arrays["level"].tolist(), strict=True)
        return [name for name, level in found if level == self.level]

    def score(self, instance: TaskInstance, answer: Answer) -> Score:
        """See `Task.score`: weighted correlation on hidden texts; see `scribe_suite.scoring.explanation`."""
        hidden: Hidden = instance.hidden
        code, neurons = expect(answer, ExplanationAnswer).code, list(hidden.neurons)
        texts = hidden.rows
        result = FunctionResult(None)
        if code:
            result = predicted_activations(code, texts, neurons, vocabulary(self.model))
        return score_explanation(result, [len(text) for text in texts], hidden.truths)

    def oracle_answer(self, instance: TaskInstance) -> dict[str, Any]:
        """The neurons' activations in the hidden texts, memorised: no theory is known to be right."""
        code = instance.hidden.recited(vocabulary(self.model))
        return {"code": code, "confidence": 1.0, "summary": "What the neurons do on the hidden texts."}

    def random_answer(self, instance: TaskInstance, rng: random.Random) -> dict[str, Any]:
        """A property of tokens that is unrelated to the neurons."""
        arguments = ", ".join(predict_arguments(list(instance.hidden.neurons)))
        code = _GUESS.format(arguments=arguments, modulus=rng.randint(2, 7))
        return {"code": code, "confidence": 0.0, "summary": "Drawn at random."}

    def _public(self, neurons: list[str]) -> PublicMaterial:
        text, strings, sizes = pool_text("public", self.model), vocabulary(self.model), model_sizes(self.model)
        question = {"neurons": neurons}
        return PublicMaterial(
            model_code=SETUP_CODE,
            data_files={
                "vocabulary.json": json.dumps(strings).encode(),
                "question.json": json.dumps(question).encode(),
                "text.safetensors": save({"tokens": text.tokens.int()}),
            },
            data_code=_CODE,
            facts={
                "model": self.model_facts(),
                "n_layers": sizes["n_layers"],
                "d_mlp": sizes["d_mlp"],
                **question,
                "question": question,
                "n_texts": len(text.tokens),
                "text_length": CONTEXT,
                "n_hidden": len(self.measured().arrays["tokens"]),
                "d_vocab": len(strings),
                "arguments": list(predict_arguments(neurons)),
                "firing_share": FIRING_SHARE,
                "n_numbers": KEPT,
                "seconds": LIMITS.time_s,
            },
            model=self.model,
        )


def _schema(neurons: list[str]) -> AnswerSchema:
    example = {
        "code": _CONSTANT.format(arguments=", ".join(predict_arguments(neurons))),
        "confidence": 0.7,
        "summary": "What makes the neuron fire, how I found that, and what supports it.",
    }
    return AnswerSchema(ExplanationAnswer, {"neurons": neurons}, example)
