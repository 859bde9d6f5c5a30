"""How does a model code a variable? Read it from activations, and write it into them.

Base models keep one variable at a known place in a code that is not linear: an exclusive or, a phase on a circle, a
product of signs, a norm, or an order of two places on a ring. No direction tells its values apart. The answer is code
that maps one activation to the value in it, and to the activation with another value. The model itself decides whether
a written value counts, and whether the other variables are as they were.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any, ClassVar

import torch

from ground_truth.circuits.planted.draws import symmetry_of
from ground_truth.circuits.planted.frozen_bases import add_reference_check, chosen_model
from ground_truth.variables.encodings.base import Base
from ground_truth.variables.encodings.hidden import HIDDEN_PAIRS, Hidden
from ground_truth.variables.encodings.levels import LABORATORY, LEVELS, code_for
from ground_truth.variables.encodings.public import public_material
from scribe_suite.laboratory.terms import Terms
from scribe_suite.planting.frozen import Certificate, FrozenModel, frozen_folder, round_to_half, save_frozen
from scribe_suite.planting.symmetries import apply_symmetry
from scribe_suite.planting.variables.encoded.certificate import certify_encoding
from scribe_suite.planting.variables.encoded.network import build_encoded, code_basis, embedded_points
from scribe_suite.planting.variables.encoded.plans import draw_encoded_plan
from scribe_suite.progress import ProgressCallback
from scribe_suite.scoring.encoding import ENCODING_METRICS, score_encoding, submitted_code
from scribe_suite.scoring.submitted_function import require_sandbox
from scribe_suite.seeds import derive_seed
from scribe_suite.tasks.answer_kinds import EncodingAnswer
from scribe_suite.tasks.answer_schema import AnswerSchema
from scribe_suite.tasks.answers import Answer, expect
from scribe_suite.tasks.task import PlantedTask, Score, TaskInstance

REFERENCE_CHECK = "reference/skill"
REFERENCE_BAR = 0.9

_EXAMPLE = "def read(activation):\n    return 0\n\n\ndef write(activation, value):\n    return activation\n"
_GUESS = """\
import numpy as np

DIRECTION = np.random.default_rng({seed}).normal(size=({values}, {width}))


def read(activation):
    return int((DIRECTION @ activation).argmax())


def write(activation, value):
    return activation + DIRECTION[value]
"""


class Encoding(PlantedTask):
    """``variables/encoding``; see the module's docstring."""

    family = "variables"
    name = "encoding"
    summary = "Read a variable from activations, and write it into them, where no direction stands for it."
    levels: ClassVar[Mapping[int, str]] = {
        1: "two values, beside two other variables",
        2: "three values, in a code that says another variable as well",
        3: "three values, in such a code beside two other variables, in a laboratory with noise",
    }
    laboratory: ClassVar[Mapping[int, Terms]] = LABORATORY
    laboratory_solution = "encoding_lab"
    #: what the model says shows nothing of how it codes
    black_box = False
    default_levels = (1,)
    headroom_levels = (1,)
    metrics = ENCODING_METRICS

    @property
    def models_id(self) -> str:
        """See `PlantedTask.models_id`: each level has its own base models, laboratory levels included."""
        return self.question_id

    def choose(self, seed: int) -> Base:
        """The base model of the instance of `seed`.

        Raises:
            FrozenModelError: If there is none, or one of them can't be trusted.
        """
        return Base.of(chosen_model(self, seed))

    def instance(self, seed: int) -> TaskInstance:
        """See `Task.instance`: a base model chosen by `seed`, under a symmetry drawn from it.

        Raises:
            InfrastructureError: With cause ``sandbox`` if submitted code can't be run.
        """
        require_sandbox()
        return self.instance_of(self.choose(seed), seed)

    def instance_of(self, base: Base, seed: int) -> TaskInstance:
        """The instance of `seed` made from this base model."""
        symmetry = symmetry_of(self.question_id, base.weights.config, seed)
        points = base.points @ code_basis(LEVELS[self.level]).T
        hidden = Hidden(
            plan=base.plan.renamed(symmetry),
            points=(points.double() @ symmetry.rotation).float(),
            weights=apply_symmetry(base.weights, symmetry),
            seed=derive_seed(seed, self.question_id, "held out"),
        )
        public = public_material(
            hidden.weights, hidden.plan, n_pairs=HIDDEN_PAIRS, seed=derive_seed(seed, self.question_id, "public")
        )
        example = {
            "code": _EXAMPLE,
            "confidence": 0.7,
            "summary": "How the variable is coded, how I found that, and what supports it.",
        }
        return TaskInstance(
            task=self,
            seed=seed,
            base_model=base.name,
            public=public,
            hidden=hidden,
            answer_schema=AnswerSchema(EncodingAnswer, public.facts, example),
        )

    def score(self, instance: TaskInstance, answer: Answer) -> Score:
        """See `Task.score`: reads of hidden activations, and what the model says after writes."""
        said, hidden = expect(answer, EncodingAnswer), instance.hidden
        submitted = submitted_code(said.code, hidden.trial)
        return score_encoding(hidden.rates(submitted), hidden.reference, submitted.result)

    def oracle_answer(self, instance: TaskInstance) -> dict[str, Any]:
        """The code that was planted."""
        return {"code": instance.hidden.source(), "confidence": 1.0, "summary": "What was planted."}

    def random_answer(self, instance: TaskInstance, rng: random.Random) -> dict[str, Any]:
        """A random direction for each value."""
        facts = instance.public.facts
        code = _GUESS.format(seed=rng.getrandbits(32), values=facts["n_values"], width=facts["d_model"])
        return {"code": code, "confidence": 0.0, "summary": "Drawn at random."}

    def plant(self, seed: int, progress: ProgressCallback) -> None:
        """See `PlantedTask.plant`: nothing is trained, so there is one attempt."""
        dial = LEVELS[self.level]
        plan = draw_encoded_plan(dial, code_for(seed), derive_seed(seed, self.models_id, "plan"))
        drawn = derive_seed(seed, self.models_id, "weights")
        base = Base("", round_to_half(build_encoded(dial, plan, drawn)), plan, embedded_points(plan, dial, drawn))
        progress(0.1, "written; certifying")
        save_frozen(
            frozen_folder(self),
            self,
            seed,
            base.weights,
            key=base.key(),
            certificate=self.certify(base, seed),
            training={"steps": 0, "torch": torch.__version__},
        )
        self.add_checks(seed, progress)

    def certify(self, base: Base, seed: int) -> Certificate:
        """Check all claims about the base model of a training seed that can be checked from its weights alone."""
        return certify_encoding(base.coded(LEVELS[self.level]), derive_seed(seed, self.models_id, "certificate"))

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
