"""Which properties does a model use where they can be decoded? Give a probability for each.

Base models keep five properties of the prompt at one place, and all five decide the label. None, one or two of them are
read from there; the others are computed again from what the place also holds. All can be decoded equally well. The
truth is measured: exchanging what is kept of a property between two prompts moves the label, or does not.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any, ClassVar

from ground_truth.circuits.planted.draws import symmetry_of
from ground_truth.variables.uses.base import Base
from ground_truth.variables.uses.hidden import Hidden
from ground_truth.variables.uses.levels import LABORATORY, LEVELS, n_used_for
from ground_truth.variables.uses.public import public_material
from ground_truth.variables.written.task import WrittenTask
from scribe_suite.laboratory.terms import Terms
from scribe_suite.planting.frozen import Certificate, round_to_half
from scribe_suite.planting.symmetries import apply_symmetry
from scribe_suite.planting.variables.used.certificate import certify_used
from scribe_suite.planting.variables.used.network import build_used, kept_directions
from scribe_suite.planting.variables.used.plans import BASE_RATE, PROPERTIES, draw_used_plan
from scribe_suite.scoring.used import USED_METRICS, score_used
from scribe_suite.seeds import derive_seed
from scribe_suite.tasks.answer_kinds import UsedAnswer
from scribe_suite.tasks.answer_schema import AnswerSchema
from scribe_suite.tasks.answers import Answer, expect
from scribe_suite.tasks.task import Score, TaskInstance


class Used(WrittenTask[Base]):
    """``variables/used``; see the module's docstring."""

    name = "used"
    summary = "Say which properties a small transformer reads where all of them can be decoded."
    levels: ClassVar[Mapping[int, str]] = {
        1: "five properties that are independent of each other",
        2: "five properties that depend on each other and on single tokens",
        3: "the same, half as large, in a laboratory with noise",
    }
    laboratory: ClassVar[Mapping[int, Terms]] = LABORATORY
    laboratory_solution = "used_lab"
    metrics = USED_METRICS
    base_type = Base

    def instance_of(self, base: Base, seed: int) -> TaskInstance:
        """See `WrittenTask.instance_of`."""
        dial = LEVELS[self.level]
        symmetry = symmetry_of(self.question_id, base.weights.config, seed)
        names = [f"p{number}" for number in range(PROPERTIES)]
        random.Random(derive_seed(seed, self.question_id, "names")).shuffle(names)
        hidden = Hidden(
            plan=base.plan.renamed(symmetry),
            names=names,
            kept=[
                (symmetry.rotation.T @ kept_directions(dial, number).double()).float() for number in range(PROPERTIES)
            ],
            weights=apply_symmetry(base.weights, symmetry),
            seed=derive_seed(seed, self.question_id, "held out"),
        )
        public = public_material(hidden.weights, hidden.plan, names, seed=derive_seed(seed, self.question_id, "public"))
        example = {
            "used": dict.fromkeys(public.facts["properties"], BASE_RATE),
            "confidence": 0.7,
            "summary": "Which properties are read there, how I found that, and what supports it.",
        }
        return TaskInstance(
            task=self,
            seed=seed,
            base_model=base.name,
            public=public,
            hidden=hidden,
            answer_schema=AnswerSchema(UsedAnswer, public.facts, example),
        )

    def score(self, instance: TaskInstance, answer: Answer) -> Score:
        """See `Task.score`: the squared error of the probabilities."""
        return score_used(expect(answer, UsedAnswer).used, instance.hidden.truth)

    def oracle_answer(self, instance: TaskInstance) -> dict[str, Any]:
        """The truth, as it was planted."""
        hidden: Hidden = instance.hidden
        used = {name: float(number in hidden.plan.used) for number, name in enumerate(hidden.names)}
        return {"used": used, "confidence": 1.0, "summary": "What was planted."}

    def random_answer(self, instance: TaskInstance, rng: random.Random) -> dict[str, Any]:
        """Each property is used or not, at random, at the base rate."""
        used = {name: float(rng.random() < BASE_RATE) for name in instance.public.facts["properties"]}
        return {"used": used, "confidence": 0.0, "summary": "Drawn at random."}

    def written(self, seed: int) -> Base:
        """See `WrittenTask.written`."""
        dial = LEVELS[self.level]
        plan = draw_used_plan(dial, n_used_for(seed), derive_seed(seed, self.models_id, "plan"))
        weights = build_used(dial, plan, derive_seed(seed, self.models_id, "weights"))
        return Base("", round_to_half(weights), plan)

    def certificate_of(self, base: Base, seed: int) -> Certificate:
        """See `WrittenTask.certificate_of`."""
        return certify_used(base.weights, LEVELS[self.level], base.plan, seed)
