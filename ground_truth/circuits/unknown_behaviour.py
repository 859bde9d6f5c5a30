"""What does it compute? The model and prompts without labels are given, and no further description.

The answer is a function that predicts the model's labels on unseen prompts, and the nodes that compute them. Base
models run programs of several kinds (`planted.programs`), so that the task's text does not reveal the function. The
ground truth is the model's actual output, not its training target.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any, ClassVar

import torch

from ground_truth.circuits.planted.draws import symmetry_of
from ground_truth.circuits.planted.hidden import Hidden
from ground_truth.circuits.planted.programs import placement_of, program_of
from ground_truth.circuits.planted.shapes import five_layers
from ground_truth.circuits.planted.task import PlantedCircuitTask
from scribe_suite.laboratory.terms import Terms
from scribe_suite.planting.circuits.assembly import DecoyRecipe
from scribe_suite.planting.circuits.patchable import PatchableTransformer
from scribe_suite.planting.circuits.plant_circuit import CircuitPlan
from scribe_suite.planting.circuits.siit import SiitRecipe
from scribe_suite.planting.frozen import frozen_models
from scribe_suite.scoring.behaviour import BEHAVIOUR_METRICS, combined_score, score_behaviour
from scribe_suite.scoring.submitted_function import FunctionResult, Labels, require_sandbox, run_submitted_function
from scribe_suite.tasks.answer_kinds import BehaviourAnswer
from scribe_suite.tasks.answer_schema import AnswerSchema
from scribe_suite.tasks.answers import Answer, expect
from scribe_suite.tasks.task import Score, TaskInstance

_CONSTANT = "def predict(prompts):\n    return [{label} for _ in prompts]\n"


class UnknownBehaviour(PlantedCircuitTask):
    """``circuits/unknown_behaviour``; seeds cycle through the kinds of program."""

    name = "unknown_behaviour"
    summary = "Find out what a small transformer computes, write it as a function, and name the components."
    metrics = BEHAVIOUR_METRICS
    public_pairs = False
    #: the rule needs many queries, the components need as many prompts as elsewhere
    laboratory: ClassVar[Mapping[int, Terms]] = {
        2: Terms(budget=40_000),
        3: Terms(budget=16_000, returns="labels", positions="last", operations=frozenset({"patch"})),
        4: Terms(budget=4_000, returns="labels", positions="last", operations=frozenset({"patch"})),
    }
    laboratory_solution = "laboratory_program"

    def plan(self, seed: int) -> CircuitPlan:
        """The causal model and its place in the base model of `seed`."""
        program = program_of(seed)
        shape = five_layers(program, d_model=160)
        return CircuitPlan(
            causal=program,
            correspondence=placement_of(program, shape.n_layers, seed),
            shape=shape,
            inputs=24,
            sizes=program.sizes,
            recipe=SiitRecipe(steps=program.steps_of_training, learning_rate=4e-3),
            # no leak: labels hardly depend on any single word, so a decoy's effect on the right one is nearly all noise
            decoys=DecoyRecipe(leak=0.0),
        )

    def instance(self, seed: int) -> TaskInstance:
        """See `PlantedCircuitTask.instance`.

        Raises:
            InfrastructureError: With cause ``sandbox`` if submitted functions can't be run.
        """
        require_sandbox()
        return super().instance(seed)

    def answer_schema(self, facts: Mapping[str, Any]) -> AnswerSchema:
        """A function and a set of components."""
        universe = facts["components"]
        return AnswerSchema(
            BehaviourAnswer,
            facts,
            example={
                "code": _CONSTANT.format(label=0),
                "components": [universe[1], universe[-1]],
                "confidence": 0.7,
                "summary": "What it computes, how I found that and the components, and what supports it.",
            },
        )

    def bound(self, instance: TaskInstance) -> int | None:  # noqa: ARG002
        """None: the components are half of the score, and programs range from a few bits to 150."""
        return None

    def score(self, instance: TaskInstance, answer: Answer) -> Score:
        """Function and nodes together; see `scribe_suite.scoring.behaviour`. A note reports the nodes' effect."""
        answer = expect(answer, BehaviourAnswer)
        hidden: Hidden = instance.hidden
        score = score_behaviour(
            _result(hidden, answer.code),
            _labels(hidden),
            answer.components,
            self.key(hidden.correspondence),
            self.blind.chance,
            self.reference_score(instance),
        )
        return hidden.with_note(score, answer.components)

    def primary_score(self, instance: TaskInstance, answer: Answer) -> float:
        """``combined`` before chance is known, with F1 itself as the nodes' skill, as for a chance of 0.

        The same number as `score` gives wherever the nodes are right.
        """
        answer = expect(answer, BehaviourAnswer)
        hidden: Hidden = instance.hidden
        key = self.key(hidden.correspondence)
        return combined_score(_result(hidden, answer.code), _labels(hidden), answer.components, key, chance_f1=0.0)

    def oracle_answer(self, instance: TaskInstance) -> dict[str, Any]:
        """The program that was planted, in the instance's names, and the certified circuit."""
        base_seed = frozen_models(self)[instance.base_model].record.seed
        symmetry = symmetry_of(self.question_id, instance.hidden.weights.config, instance.seed)
        code = program_of(base_seed).source(symmetry.token_map, symmetry.label_map)
        return {**super().oracle_answer(instance), "code": code}

    def random_answer(self, instance: TaskInstance, rng: random.Random) -> dict[str, Any]:
        """A random label for every prompt, and random components."""
        code = _CONSTANT.format(label=rng.randrange(instance.public.facts["n_labels"]))
        return {**super().random_answer(instance, rng), "code": code}


def _result(hidden: Hidden, code: str) -> FunctionResult:
    if not code:
        return FunctionResult(None)
    return run_submitted_function(code, hidden.held_out.base.tolist())


@torch.no_grad()
def _labels(hidden: Hidden) -> list[Labels]:
    """The model's labels on the hidden prompts."""
    logits, _ = PatchableTransformer.from_weights(hidden.weights)(hidden.held_out.base)
    return [tuple(row) for row in logits[:, list(hidden.causal.labelled)].argmax(-1).tolist()]
