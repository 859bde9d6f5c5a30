"""Which vector changes what a model says, and nothing else? Or can none?

Base models answer certain prompts in one of two ways. A gate that they compute decides which, and is kept in a
direction of its own. In two of three base models it is read from there; in the others the same answers come from
another position, and the gate is kept all the same. Contrast pairs differ in the gate, and at level 2 and up in louder
variables that matter to other prompts. The evaluator picks the scale, so a vector can't gain by being longer.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any, ClassVar

import torch

from ground_truth.circuits.planted.draws import symmetry_of
from ground_truth.steering.shifts.base import Base
from ground_truth.steering.shifts.hidden import HIDDEN_PROMPTS, Hidden
from ground_truth.steering.shifts.levels import LABORATORY, LEVELS, is_read
from ground_truth.steering.shifts.public import public_material
from ground_truth.variables.written.task import WrittenTask
from scribe_suite.laboratory.terms import Terms
from scribe_suite.planting.frozen import Certificate, round_to_half
from scribe_suite.planting.steering.certificate import certify_gate
from scribe_suite.planting.steering.network import KEPT_LAYER, build_gate, gate_direction
from scribe_suite.planting.steering.plans import draw_gate_plan
from scribe_suite.planting.symmetries import apply_symmetry
from scribe_suite.scoring.steering import PAY_OFFS, SHIFT_METRICS, score_missed, score_null, score_shift
from scribe_suite.seeds import derive_seed
from scribe_suite.tasks.answer_kinds import SteeringAnswer
from scribe_suite.tasks.answer_schema import AnswerSchema
from scribe_suite.tasks.answers import Answer, expect
from scribe_suite.tasks.task import Score, TaskInstance


class Shift(WrittenTask[Base]):
    """``steering/shift``; see the module's docstring."""

    family = "steering"
    name = "shift"
    summary = "Find a vector that makes a small transformer answer in its other way, or that there is none."
    levels: ClassVar[Mapping[int, str]] = {
        1: "contrast pairs that differ in nothing else",
        2: "contrast pairs that also differ in two other variables, one of them louder",
        3: "the same with half of the pairs, in a laboratory with noise",
    }
    laboratory: ClassVar[Mapping[int, Terms]] = LABORATORY
    headroom_levels = (2,)
    laboratory_solution = "shift_lab"
    metrics = SHIFT_METRICS
    base_type = Base

    @property
    def models_id(self) -> str:
        """See `PlantedTask.models_id`: levels 1 and 2 have their own base models, level 3 those of level 2."""
        return f"{self.family}/{self.name}_2" if self.level > 2 else self.question_id

    def instance_of(self, base: Base, seed: int) -> TaskInstance:
        """See `WrittenTask.instance_of`."""
        symmetry = symmetry_of(self.question_id, base.weights.config, seed)
        hidden = Hidden(
            plan=base.plan.renamed(symmetry),
            layer=KEPT_LAYER,
            direction=(symmetry.rotation.T @ gate_direction().double()).float(),
            weights=apply_symmetry(base.weights, symmetry),
            seed=derive_seed(seed, self.question_id, "held out"),
        )
        public = public_material(
            hidden.weights,
            LEVELS[self.level],
            hidden.plan,
            n_hidden=HIDDEN_PROMPTS,
            seed=derive_seed(seed, self.question_id, "public"),
        )
        example = {
            "layer": public.facts["layers"][0],
            "vector": [1.0] + [0.0] * (public.facts["d_model"] - 1),
            "nothing_found": False,
            "confidence": 0.7,
            "summary": "What the vector does, how I found it, and what supports it.",
        }
        return TaskInstance(
            task=self,
            seed=seed,
            base_model=base.name,
            public=public,
            hidden=hidden,
            answer_schema=AnswerSchema(SteeringAnswer, public.facts, example),
        )

    def score(self, instance: TaskInstance, answer: Answer) -> Score:
        """See `Task.score`: the effect of the vector on hidden prompts, at the best scale."""
        said, hidden = expect(answer, SteeringAnswer), instance.hidden
        if not hidden.plan.read:
            return score_null(nothing_found=said.nothing_found)
        reference = hidden.reference.effect
        if said.nothing_found:
            return score_missed(reference)
        assert said.layer is not None  # an answer with a vector has one
        vector = torch.tensor(said.vector, dtype=torch.float64)
        largest = vector.abs().max()
        # a very long vector has no norm that can be computed
        vector = vector / largest if largest > 0 else vector
        return score_shift(hidden.judged.effect(said.layer, vector.float()), reference)

    def oracle_answer(self, instance: TaskInstance) -> dict[str, Any]:
        """The planted direction, or nothing."""
        hidden: Hidden = instance.hidden
        return {
            "layer": hidden.layer,
            "vector": hidden.direction.tolist() if hidden.plan.read else [],
            "nothing_found": not hidden.plan.read,
            "confidence": 1.0,
            "summary": "What was planted.",
        }

    def random_answer(self, instance: TaskInstance, rng: random.Random) -> dict[str, Any]:
        """A random vector after a random layer, or nothing, as often as there is nothing."""
        facts, nothing = instance.public.facts, rng.random() < PAY_OFFS.null_share
        return {
            "layer": rng.choice(facts["layers"]),
            "vector": [] if nothing else [rng.gauss(0, 1) for _ in range(facts["d_model"])],
            "nothing_found": nothing,
            "confidence": 0.0,
            "summary": "Drawn at random.",
        }

    def written(self, seed: int) -> Base:
        """See `WrittenTask.written`."""
        dial = LEVELS[self.level]
        plan = draw_gate_plan(dial, is_read(seed), derive_seed(seed, self.models_id, "plan"))
        weights = build_gate(dial, plan, derive_seed(seed, self.models_id, "weights"))
        return Base("", round_to_half(weights), plan)

    def certificate_of(self, base: Base, seed: int) -> Certificate:
        """See `WrittenTask.certificate_of`."""
        return certify_gate(base.weights, LEVELS[self.level], base.plan, seed)
