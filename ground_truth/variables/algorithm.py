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

import torch

from ground_truth.circuits.planted.draws import symmetry_of
from ground_truth.circuits.planted.frozen_bases import add_reference_check, chosen_model
from ground_truth.variables.algorithms.base import Base
from ground_truth.variables.algorithms.hidden import Hidden
from ground_truth.variables.algorithms.levels import LABORATORY, LEVELS
from ground_truth.variables.algorithms.public import public_material
from scribe_suite.planting.frozen import Certificate, FrozenModel, frozen_folder, round_to_half, save_frozen
from scribe_suite.planting.symmetries import apply_symmetry
from scribe_suite.planting.variables.sum_certificate import certify_sums
from scribe_suite.planting.variables.sum_network import build_sum_network
from scribe_suite.planting.variables.sums import draw_sum_plan
from scribe_suite.progress import ProgressCallback
from scribe_suite.scoring.carriers import CARRIER_METRICS, score_carriers
from scribe_suite.seeds import derive_seed
from scribe_suite.tasks.answer_kinds import CarrierAnswer
from scribe_suite.tasks.answer_schema import AnswerSchema
from scribe_suite.tasks.answers import Answer, expect
from scribe_suite.tasks.task import PlantedTask, Score, TaskInstance

REFERENCE_CHECK = "reference/f1"
REFERENCE_BAR = 0.9


class Algorithm(PlantedTask):
    """``variables/algorithm``; see the module's docstring."""

    family = "variables"
    name = "algorithm"
    summary = "Find the intermediate sums that a small transformer uses, and the heads that carry them."
    levels: ClassVar[Mapping[int, str]] = {
        1: "four terms, and one head for each sum",
        2: "five terms, and three heads for each sum, of which two decide",
    }
    laboratory = LABORATORY
    #: the function is public, so outputs reveal nothing more
    black_box = False
    laboratory_solution = "algorithm_lab"
    default_levels = (1,)
    metrics = CARRIER_METRICS

    @property
    def models_id(self) -> str:
        """Every level has its own base models, laboratory levels included."""
        return self.question_id

    def choose(self, seed: int) -> Base:
        """The base model of the instance of `seed`.

        Raises:
            FrozenModelError: If there is none, or one of them can't be trusted.
        """
        return Base.of(chosen_model(self, seed))

    def instance(self, seed: int) -> TaskInstance:
        """See `Task.instance`: a base model chosen by `seed`, under a symmetry drawn from it."""
        return self.instance_of(self.choose(seed), seed)

    def instance_of(self, base: Base, seed: int) -> TaskInstance:
        """The instance of `seed` made from this base model."""
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

    def plant(self, seed: int, progress: ProgressCallback) -> None:
        """See `PlantedTask.plant`: nothing is trained, so there is one attempt."""
        dial = LEVELS[self.level]
        plan = draw_sum_plan(dial, derive_seed(seed, self.models_id, "plan"))
        weights = round_to_half(build_sum_network(dial, plan, derive_seed(seed, self.models_id, "weights")))
        progress(0.1, "written; certifying")
        save_frozen(
            frozen_folder(self),
            self,
            seed,
            weights,
            key=plan.as_record(),
            certificate=self.certify(Base("", weights, plan), seed),
            training={"steps": 0, "torch": torch.__version__},
        )
        self.add_checks(seed, progress)

    def certify(self, base: Base, seed: int) -> Certificate:
        """Check all claims about the base model of a training seed that can be checked from its weights alone."""
        return certify_sums(
            base.weights, LEVELS[self.level], base.plan, derive_seed(seed, self.models_id, "certificate")
        )

    def add_checks(self, seed: int, progress: ProgressCallback) -> bool:
        """See `PlantedTask.add_checks`: the score of the reference solution, the slowest check.

        A laboratory's solution is measured per level, not on each base model (docs/reference/budgets.md).
        """
        if self.level in self.laboratory:
            return False

        def instance(model: FrozenModel) -> TaskInstance:
            progress(0.5, "certified; measuring the reference solution")
            return self.instance_of(Base.of(model), derive_seed(seed, self.question_id, "reference"))

        return add_reference_check(
            self, seed, REFERENCE_CHECK, REFERENCE_BAR, instance, lambda score: score.metrics["f1"]
        )


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
