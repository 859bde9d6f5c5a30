"""Where does a model represent a variable? Find the directions that encode one of several variables.

Base models compute a few variables of the prompt and store all of them in one vector, in subspaces that overlap: all
are decodable from directions that nothing reads, and all are read from directions to which nothing is written. The
question is about the variable that decides the group of the label. Answers are scored by their effect: exchanging the
subspace between two prompts has to change this variable and no other.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any, ClassVar

import torch

from ground_truth.circuits.planted.draws import symmetry_of
from ground_truth.circuits.planted.frozen_bases import add_reference_check, chosen_model
from ground_truth.variables.subspaces.base import Base
from ground_truth.variables.subspaces.hidden import HIDDEN_PAIRS, Hidden
from ground_truth.variables.subspaces.levels import CEILINGS, LABORATORY, LEVELS
from ground_truth.variables.subspaces.public import public_material
from scribe_suite.laboratory.terms import Terms
from scribe_suite.planting.frozen import Certificate, FrozenModel, frozen_folder, round_to_half, save_frozen
from scribe_suite.planting.symmetries import apply_symmetry
from scribe_suite.planting.variables.certificate import PLANTED, certify_variables
from scribe_suite.planting.variables.interchange import SITES, Place
from scribe_suite.planting.variables.network import build_network, planted_subspace
from scribe_suite.planting.variables.plans import draw_plan
from scribe_suite.progress import ProgressCallback
from scribe_suite.scoring.subspace import SUBSPACE_METRICS, score_subspace
from scribe_suite.seeds import derive_seed
from scribe_suite.tasks.answer_kinds import SubspaceAnswer
from scribe_suite.tasks.answer_schema import AnswerSchema
from scribe_suite.tasks.answers import Answer, expect
from scribe_suite.tasks.task import PlantedTask, Score, TaskInstance

REFERENCE_CHECK = "reference/skill"
REFERENCE_BAR = 0.9


class Subspace(PlantedTask):
    """``variables/subspace``; see the module's docstring."""

    family = "variables"
    name = "subspace"
    version = 2
    summary = "Find the directions in which a small transformer keeps one of several variables that overlap."
    levels: ClassVar[Mapping[int, str]] = {
        1: "two variables of three values",
        2: "four variables of three values",
        3: "four variables that share dimensions in pairs, in a laboratory with noise",
        4: "the same with more noise",
    }
    laboratory: ClassVar[Mapping[int, Terms]] = LABORATORY
    laboratory_solution = "subspace_lab"
    #: what the model says is the same in every basis
    black_box = False
    default_levels = (1,)
    metrics = SUBSPACE_METRICS

    @property
    def models_id(self) -> str:
        """See `PlantedTask.models_id`: each level has its own base models, but level 4 those of level 3."""
        return f"{self.family}/{self.name}_3" if self.level > 3 else self.question_id

    def choose(self, seed: int) -> Base:
        """The base model of the instance of `seed`.

        Raises:
            FrozenModelError: If there is none, or one of them can't be trusted.
        """
        return Base.of(chosen_model(self, seed))

    def instance(self, seed: int) -> TaskInstance:
        """See `Task.instance`: a base model and a variable chosen by `seed`, under a symmetry drawn from it."""
        return self.instance_of(self.choose(seed), seed)

    def instance_of(self, base: Base, seed: int) -> TaskInstance:
        """The instance of `seed` made from this base model."""
        dial = LEVELS[self.level]
        symmetry = symmetry_of(self.question_id, base.weights.config, seed)
        variable = derive_seed(seed, self.question_id, "variable") % dial.variables
        hidden = Hidden(
            plan=base.plan.renamed(symmetry),
            variable=variable,
            place=PLANTED,
            planted=(symmetry.rotation.T @ planted_subspace(dial, variable).double()).float(),
            weights=apply_symmetry(base.weights, symmetry),
            seed=derive_seed(seed, self.question_id, "held out"),
        )
        public = public_material(
            hidden.weights,
            dial,
            hidden.plan,
            variable,
            n_pairs=HIDDEN_PAIRS,
            seed=derive_seed(seed, self.question_id, "public"),
            ceiling=CEILINGS.get(self.level),
        )
        example = {
            "layer": 0,
            "site": SITES[-1],
            "position": 0,
            "directions": [[1.0] + [0.0] * (public.facts["d_model"] - 1)],
            "confidence": 0.7,
            "summary": "Where the variable is, how I found that, and what supports it.",
        }
        return TaskInstance(
            task=self,
            seed=seed,
            base_model=base.name,
            public=public,
            hidden=hidden,
            answer_schema=AnswerSchema(SubspaceAnswer, public.facts, example),
        )

    def score(self, instance: TaskInstance, answer: Answer) -> Score:
        """See `Task.score`: exchanges of the submitted subspace between hidden prompts."""
        said, hidden = expect(answer, SubspaceAnswer), instance.hidden
        ceiling = CEILINGS.get(self.level, 1.0)
        return score_subspace(hidden.rates(_place(said), said.directions), hidden.reference, ceiling)

    def oracle_answer(self, instance: TaskInstance) -> dict[str, Any]:
        """The directions in which the variable was planted."""
        hidden: Hidden = instance.hidden
        return {
            "layer": hidden.place.layer,
            "site": hidden.place.site,
            "position": hidden.place.position,
            "directions": hidden.planted.T.tolist(),
            "confidence": 1.0,
            "summary": "What was planted.",
        }

    def random_answer(self, instance: TaskInstance, rng: random.Random) -> dict[str, Any]:
        """As many random directions as are allowed, at a random layer and the last position."""
        facts = instance.public.facts
        return {
            "layer": rng.randrange(facts["n_layers"]),
            "site": rng.choice(SITES),
            "position": "last",
            "directions": [[rng.gauss(0, 1) for _ in range(facts["d_model"])] for _ in range(facts["max_directions"])],
            "confidence": 0.0,
            "summary": "Drawn at random.",
        }

    def plant(self, seed: int, progress: ProgressCallback) -> None:
        """See `PlantedTask.plant`: nothing is trained, so there is one attempt."""
        dial = LEVELS[self.level]
        plan = draw_plan(dial, derive_seed(seed, self.models_id, "plan"))
        weights = round_to_half(build_network(dial, plan, derive_seed(seed, self.models_id, "weights")))
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
        return certify_variables(
            base.weights, LEVELS[self.level], base.plan, derive_seed(seed, self.models_id, "certificate")
        )

    def add_checks(self, seed: int, progress: ProgressCallback) -> bool:
        """See `PlantedTask.add_checks`: the skill of the reference solution, the slowest check.

        A laboratory's solution is measured per level, not on each base model (docs/reference/budgets.md).
        """
        if self.level in self.laboratory:
            return False

        def instance(model: FrozenModel) -> TaskInstance:
            progress(0.5, "certified; measuring the reference solution")
            return self.instance_of(Base.of(model), derive_seed(seed, self.question_id, "reference"))

        return add_reference_check(self, seed, REFERENCE_CHECK, REFERENCE_BAR, instance, lambda score: score.skill)


def _place(said: SubspaceAnswer) -> Place:
    position = -1 if isinstance(said.position, str) else said.position
    # the schema has refused sites that do not exist
    return Place(said.layer, next(site for site in SITES if site == said.site), position)
