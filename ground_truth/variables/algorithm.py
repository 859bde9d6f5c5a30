"""In which order does a model add? Find the intermediate sums that its label depends on, and the heads that carry them.

All base models compute the label from a sum of values of tokens, and that function is public. They differ in the tree
along which they add, and all of them also compute sums of other trees, which are decodable and carried by heads alike.
Only exchanges of heads between prompts tell them apart.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from itertools import combinations
from typing import Any, ClassVar

from ground_truth.circuits.planted.draws import symmetry_of
from ground_truth.variables.algorithms.base import Base
from ground_truth.variables.algorithms.hidden import Hidden
from ground_truth.variables.algorithms.levels import LABORATORY, LEVELS
from ground_truth.variables.algorithms.public import public_material
from ground_truth.variables.written.task import WrittenTask
from scribe_suite.planting.frozen import Certificate, round_to_half
from scribe_suite.planting.symmetries import apply_symmetry
from scribe_suite.planting.variables.sum_certificate import certify_sums
from scribe_suite.planting.variables.sum_network import build_sum_network
from scribe_suite.planting.variables.sums import draw_sum_plan
from scribe_suite.scoring.carriers import CARRIER_METRICS, score_carriers
from scribe_suite.seeds import derive_seed
from scribe_suite.tasks.answer_kinds import CarrierAnswer
from scribe_suite.tasks.answer_schema import AnswerSchema
from scribe_suite.tasks.answers import Answer, expect
from scribe_suite.tasks.task import Score, TaskInstance


class Algorithm(WrittenTask[Base]):
    """``variables/algorithm``; see the module's docstring."""

    name = "algorithm"
    summary = "Find the intermediate sums that a small transformer uses, and the heads that carry them."
    levels: ClassVar[Mapping[int, str]] = {
        1: "four terms, and one head for each sum",
        2: "five terms, and three heads for each sum, of which two decide",
    }
    laboratory = LABORATORY
    laboratory_solution = "algorithm_lab"
    metrics = CARRIER_METRICS
    base_type = Base
    certified = "f1"

    def instance_of(self, base: Base, seed: int) -> TaskInstance:
        """See `WrittenTask.instance_of`."""
        symmetry = symmetry_of(self.question_id, base.weights.config, seed)
        hidden = Hidden(
            plan=base.plan.renamed(symmetry),
            weights=apply_symmetry(base.weights, symmetry),
            seed=derive_seed(seed, self.question_id, "held out"),
        )
        public = public_material(hidden.weights, hidden.plan, derive_seed(seed, self.question_id, "public"))
        example = {
            "carriers": [{"positions": public.facts["positions"][:2], "heads": ["a0.h0"]}],
            "confidence": 0.7,
            "summary": "Which sums the model uses and where, how I found that, and what supports it.",
        }
        return TaskInstance(
            task=self,
            seed=seed,
            base_model=base.name,
            public=public,
            hidden=hidden,
            answer_schema=AnswerSchema(CarrierAnswer, public.facts, example),
        )

    def score(self, instance: TaskInstance, answer: Answer) -> Score:
        """See `Task.score`: F1 over pairs of a sum and a head."""
        hidden: Hidden = instance.hidden
        claimed = expect(answer, CarrierAnswer).by_positions()
        return score_carriers(claimed, hidden.truth, _everything(instance), hidden.exchange(claimed))

    def oracle_answer(self, instance: TaskInstance) -> dict[str, Any]:
        """The sums and heads that were planted."""
        return _answer(instance.hidden.truth, 1.0, "What was planted.")

    def random_answer(self, instance: TaskInstance, rng: random.Random) -> dict[str, Any]:
        """One random sum, carried by a random head of the layer in which sums of its size are carried."""
        every = _everything(instance)
        of = rng.choice(list(every))
        return _answer({of: [rng.choice(every[of])]}, 0.0, "Drawn at random.")

    def written(self, seed: int) -> Base:
        """See `WrittenTask.written`."""
        dial = LEVELS[self.level]
        plan = draw_sum_plan(dial, derive_seed(seed, self.models_id, "plan"))
        weights = build_sum_network(dial, plan, derive_seed(seed, self.models_id, "weights"))
        return Base("", round_to_half(weights), plan)

    def certificate_of(self, base: Base, seed: int) -> Certificate:
        """See `WrittenTask.certificate_of`."""
        return certify_sums(base.weights, LEVELS[self.level], base.plan, seed)


def _everything(instance: TaskInstance) -> dict[tuple[int, ...], list[str]]:
    """Every sum with every head of the layer that carries sums of its size: what is known without the model."""
    facts = instance.public.facts
    return {
        of: [f"a{size - 1}.h{head}" for head in range(facts["n_heads"])]
        for size in range(2, len(facts["positions"]))
        for of in combinations(facts["positions"], size)
    }


def _answer(carriers: Mapping[tuple[int, ...], Any], confidence: float, summary: str) -> dict[str, Any]:
    return {
        "carriers": [{"positions": list(of), "heads": list(heads)} for of, heads in carriers.items()],
        "confidence": confidence,
        "summary": summary,
    }
