"""When does a model deviate from its ordinary behaviour? Find the rare condition, or find that there is none.

Base models have an ordinary behaviour, which is public, and compute several conditions on tokens, their order and
their distances. In two thirds of them, one of these changes the prediction; in the null twins none does. The answer is
code that predicts the label, exception included. The ground truth is the model's actual output.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any, ClassVar

import torch

from ground_truth.circuits.planted.draws import symmetry_of
from ground_truth.circuits.planted.frozen_bases import add_reference_check, chosen_model
from ground_truth.circuits.planted.material import Names
from ground_truth.circuits.planted.public import opaque_words
from ground_truth.circuits.rare_branches.base import Base, renamed_plan
from ground_truth.circuits.rare_branches.hidden import OTHER_KINDS, Hidden
from ground_truth.circuits.rare_branches.levels import LABORATORY, LEVELS, is_twin
from ground_truth.circuits.rare_branches.public import public_material
from scribe_suite.laboratory.terms import Terms
from scribe_suite.planting.circuits.attempts import ATTEMPTS
from scribe_suite.planting.circuits.branches.certificate import certify_branch
from scribe_suite.planting.circuits.branches.conditions import START, source_of
from scribe_suite.planting.circuits.branches.network import build_network
from scribe_suite.planting.circuits.branches.plans import N_LABELS, draw_plan
from scribe_suite.planting.frozen import Certificate, FrozenModel, frozen_folder, round_to_half, save_frozen
from scribe_suite.planting.symmetries import apply_symmetry
from scribe_suite.progress import ProgressCallback
from scribe_suite.scoring.rare_branch import (
    PAY_OFFS,
    RARE_BRANCH_METRICS,
    predicted_labels,
    score_missed,
    score_null,
    score_rare_branch,
)
from scribe_suite.scoring.submitted_function import FunctionResult, require_sandbox
from scribe_suite.seeds import derive_seed
from scribe_suite.tasks.answer_kinds import ExceptionAnswer
from scribe_suite.tasks.answer_schema import AnswerSchema
from scribe_suite.tasks.answers import Answer, expect
from scribe_suite.tasks.task import PlantedTask, Score, TaskInstance

REFERENCE_CHECK = "reference/skill"
REFERENCE_BAR = 0.9

_EXAMPLE = "def predict(prompt):\n    return ordinary(prompt)\n"
_GUESS = "def predict(prompt):\n    return {label} if {{{first}, {second}}} <= set(prompt) else ordinary(prompt)\n"


class RareBranch(PlantedTask):
    """``circuits/rare_branch``; see the module's docstring."""

    family = "circuits"
    name = "rare_branch"
    version = 3
    summary = "Find out under which condition, met by almost no prompt, a small transformer says something else."
    levels: ClassVar[Mapping[int, str]] = {
        1: "four tokens of 600, six conditions in three layers",
        2: "four tokens of 1,000, eight conditions",
        3: "four tokens or classes of 1,500, in a laboratory with noise",
        4: "four tokens or classes of 3,000, one in 10^12, in a laboratory with more noise",
    }
    laboratory: ClassVar[Mapping[int, Terms]] = LABORATORY
    headroom_levels = (4,)
    laboratory_solution = "rare_branch_lab"
    black_box = False
    default_levels = (1,)
    metrics = RARE_BRANCH_METRICS

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
        """See `Task.instance`: a base model chosen by `seed`, under a symmetry drawn from it, with fresh prompts.

        Raises:
            InfrastructureError: With cause ``sandbox`` if submitted functions can't be run.
        """
        require_sandbox()
        return self.instance_of(self.choose(seed), seed)

    def instance_of(self, base: Base, seed: int) -> TaskInstance:
        """The instance of `seed` made from this base model."""
        symmetry = symmetry_of(self.question_id, base.weights.config, seed)
        hidden = Hidden(
            plan=renamed_plan(base.plan, symmetry),
            start=symmetry.token_map[START],
            weights=apply_symmetry(base.weights, symmetry),
            seed=derive_seed(seed, self.question_id, "held out"),
        )
        words = opaque_words(base.plan.d_vocab + N_LABELS, random.Random(derive_seed(seed, self.question_id, "names")))
        tokens, labels = words[: base.plan.d_vocab], [word.upper() for word in words[base.plan.d_vocab :]]
        public = public_material(
            hidden.weights,
            hidden.plan,
            hidden.start,
            Names(tokens, labels).renamed(symmetry),
            rarity=LEVELS[self.level].rarity,
            n_kinds=len(OTHER_KINDS),
            seed=derive_seed(seed, self.question_id, "public"),
        )
        example = {
            "code": _EXAMPLE,
            "nothing_found": False,
            "confidence": 0.7,
            "summary": "Under which condition it says what, how I found that, and what supports it.",
        }
        return TaskInstance(
            task=self,
            seed=seed,
            base_model=base.name,
            public=public,
            hidden=hidden,
            answer_schema=AnswerSchema(ExceptionAnswer, public.facts, example),
        )

    def score(self, instance: TaskInstance, answer: Answer) -> Score:
        """See `Task.score`: balanced share on hidden prompts, or whether there was an exception at all."""
        said = expect(answer, ExceptionAnswer)
        hidden: Hidden = instance.hidden
        if hidden.is_null:
            return score_null(nothing_found=said.nothing_found)
        if said.nothing_found:
            return score_missed(hidden.judged, hidden.ceiling)
        return score_rare_branch(_result(hidden, said.code), hidden.judged, hidden.ceiling)

    def oracle_answer(self, instance: TaskInstance) -> dict[str, Any]:
        """The rule that was planted, in the instance's names, or that there is none."""
        exception = instance.hidden.plan.exception
        return {
            "code": "" if exception is None else source_of(*exception),
            "nothing_found": exception is None,
            "confidence": 1.0,
            "summary": "What was planted.",
        }

    def random_answer(self, instance: TaskInstance, rng: random.Random) -> dict[str, Any]:
        """No exception, at the frequency of null twins; otherwise a guess about two tokens."""
        first, second = rng.sample(range(instance.public.facts["n_tokens"]), 2)
        code = _GUESS.format(label=rng.randrange(N_LABELS), first=first, second=second)
        nothing = rng.random() < PAY_OFFS.null_share
        return {
            "code": "" if nothing else code,
            "nothing_found": nothing,
            "confidence": 0.5,
            "summary": "Drawn at random.",
        }

    def plant(self, seed: int, progress: ProgressCallback) -> None:
        """See `PlantedTask.plant`: nothing is trained, but the random choices may be drawn `ATTEMPTS` times."""
        plan = draw_plan(LEVELS[self.level], derive_seed(seed, self.models_id, "plan"), is_twin=is_twin(seed))
        failures: list[str] = []
        for attempt in range(1, ATTEMPTS + 1):
            labels = ("weights",) if attempt == 1 else ("weights", attempt)
            weights = round_to_half(build_network(plan, derive_seed(seed, self.models_id, *labels)))
            progress(0.1, f"attempt {attempt}, written; certifying")
            certificate = self.certify(Base("", weights, plan), seed)
            if certificate.passed:
                break
            failures.append("; ".join(certificate.failures()))
        save_frozen(
            frozen_folder(self),
            self,
            seed,
            weights,
            key=plan.as_record(),
            certificate=certificate,
            training={"steps": 0, "failed_attempts": failures, "torch": torch.__version__},
        )
        self.add_checks(seed, progress)

    def certify(self, base: Base, seed: int) -> Certificate:
        """Check all claims about the base model of a training seed that can be checked from its weights alone."""
        return certify_branch(
            base.weights, base.plan, LEVELS[self.level].rarity, derive_seed(seed, self.models_id, "certificate")
        )

    def add_checks(self, seed: int, progress: ProgressCallback) -> bool:
        """See `PlantedTask.add_checks`: the skill of the reference solution, the slowest check."""
        task = type(self)(self.level, "weights")

        def instance(model: FrozenModel) -> TaskInstance:
            progress(0.5, "certified; measuring the reference solution")
            return task.instance_of(Base.of(model), derive_seed(seed, self.question_id, "reference"))

        return add_reference_check(self, seed, REFERENCE_CHECK, REFERENCE_BAR, instance, lambda score: score.skill)


def _result(hidden: Hidden, code: str) -> FunctionResult:
    return predicted_labels(code, hidden.prompts.tolist(), hidden.plan.classes, hidden.plan.back)
