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

from ground_truth.circuits.planted.draws import symmetry_of
from ground_truth.variables.encodings.base import Base
from ground_truth.variables.encodings.hidden import HIDDEN_PAIRS, Hidden
from ground_truth.variables.encodings.levels import LABORATORY, LEVELS, code_for
from ground_truth.variables.encodings.public import public_material
from ground_truth.variables.written.task import WrittenTask
from scribe_suite.laboratory.terms import Terms
from scribe_suite.planting.frozen import Certificate, round_to_half
from scribe_suite.planting.symmetries import apply_symmetry
from scribe_suite.planting.variables.encoded.certificate import certify_encoding
from scribe_suite.planting.variables.encoded.network import build_encoded, code_basis, embedded_points
from scribe_suite.planting.variables.encoded.plans import draw_encoded_plan
from scribe_suite.scoring.encoding import ENCODING_METRICS, score_encoding, submitted_code
from scribe_suite.scoring.submitted_function import require_sandbox
from scribe_suite.seeds import derive_seed
from scribe_suite.tasks.answer_kinds import EncodingAnswer
from scribe_suite.tasks.answer_schema import AnswerSchema
from scribe_suite.tasks.answers import Answer, expect
from scribe_suite.tasks.task import Score, TaskInstance

_EXAMPLE = "def read(activation):\n    return 0\n\n\ndef write(activation, value):\n    return activation\n"
_GUESS = """\
import numpy as np

DIRECTION = np.random.default_rng({seed}).normal(size=({values}, {width}))


def read(activation):
    return int((DIRECTION @ activation).argmax())


def write(activation, value):
    return activation + DIRECTION[value]
"""


class Encoding(WrittenTask[Base]):
    """``variables/encoding``; see the module's docstring."""

    name = "encoding"
    summary = "Read a variable from activations, and write it into them, where no direction stands for it."
    levels: ClassVar[Mapping[int, str]] = {
        1: "two values, beside two other variables",
        2: "three values, in a code that says another variable as well",
        3: "three values, in such a code beside two other variables, in a laboratory with noise",
    }
    laboratory: ClassVar[Mapping[int, Terms]] = LABORATORY
    laboratory_solution = "encoding_lab"
    headroom_levels = (1,)
    metrics = ENCODING_METRICS
    base_type = Base

    def instance(self, seed: int) -> TaskInstance:
        """See `Task.instance`: a base model chosen by `seed`, under a symmetry drawn from it.

        Raises:
            InfrastructureError: With cause ``sandbox`` if submitted code can't be run.
        """
        require_sandbox()
        return super().instance(seed)

    def instance_of(self, base: Base, seed: int) -> TaskInstance:
        """See `WrittenTask.instance_of`."""
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

    def written(self, seed: int) -> Base:
        """See `WrittenTask.written`."""
        dial = LEVELS[self.level]
        plan = draw_encoded_plan(dial, code_for(seed), derive_seed(seed, self.models_id, "plan"))
        drawn = derive_seed(seed, self.models_id, "weights")
        return Base("", round_to_half(build_encoded(dial, plan, drawn)), plan, embedded_points(plan, dial, drawn))

    def certificate_of(self, base: Base, seed: int) -> Certificate:
        """See `WrittenTask.certificate_of`."""
        return certify_encoding(base.coded(LEVELS[self.level]), seed)
