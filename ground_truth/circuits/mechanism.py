"""How does it compute its labels? Predict a model's output while the outputs of some of its nodes are patched.

Base models run random programs over opaque tokens: variables that heads move, find and count, that MLPs look up in
tables, and that depend on each other. The answer is code that predicts the label on one prompt while the named nodes
have their outputs from another. The ground truth is the model's actual output, not its training target.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any, ClassVar

import torch

from ground_truth.circuits.mechanisms.base import Base, key_of
from ground_truth.circuits.mechanisms.hidden import PER_STRATUM, Hidden
from ground_truth.circuits.mechanisms.levels import LABORATORY, LEVELS
from ground_truth.circuits.planted.draws import generator, symmetry_of
from ground_truth.circuits.planted.frozen_bases import add_reference_check, chosen_model
from ground_truth.circuits.planted.material import Names, draw_data, facts_of, public_material
from ground_truth.circuits.planted.public import opaque_words
from scribe_suite.planting.circuits.causal import RenamedModel, renamed_correspondence
from scribe_suite.planting.circuits.patchable import TransformerShape
from scribe_suite.planting.circuits.programs.certificate import PLAIN, certify_program
from scribe_suite.planting.circuits.programs.planting import plant_program
from scribe_suite.planting.circuits.programs.triples import STRATA
from scribe_suite.planting.frozen import Certificate, FrozenModel, frozen_folder, save_frozen
from scribe_suite.planting.symmetries import apply_symmetry
from scribe_suite.progress import ProgressCallback
from scribe_suite.scoring.mechanism import LIMITS, MECHANISM_METRICS, predicted_labels, score_mechanism
from scribe_suite.scoring.submitted_function import FunctionResult, require_sandbox
from scribe_suite.seeds import derive_seed
from scribe_suite.tasks.answer_kinds import MechanismAnswer
from scribe_suite.tasks.answer_schema import AnswerSchema
from scribe_suite.tasks.answers import Answer, expect
from scribe_suite.tasks.task import PlantedTask, Score, TaskInstance

REFERENCE_CHECK = "reference/primary"
REFERENCE_BAR = 0.9

_CONSTANT = "def predict(base, source, patched):\n    return {label}\n"


class Mechanism(PlantedTask):
    """``circuits/mechanism``; see the module's docstring."""

    family = "circuits"
    name = "mechanism"
    version = 2
    summary = "Predict what a small transformer says while parts of it are interfered with."
    levels: ClassVar[Mapping[int, str]] = {
        1: "seven variables in six layers",
        2: "twelve variables in eight layers",
        3: "sixteen variables in ten layers, of which some stand in for each other, are divided, or seldom matter",
        4: "twenty-six such variables in twelve layers, over longer prompts of more tokens",
    }
    laboratory = LABORATORY
    #: labels of plain prompts reveal nothing about the effect of patches
    black_box = False
    laboratory_solution = "laboratory_mechanism"
    default_levels = (1,)
    headroom_levels = (3, 4)
    metrics = MECHANISM_METRICS

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
        """See `Task.instance`: a base model chosen by `seed`, under a symmetry drawn from it, with fresh prompts.

        Raises:
            InfrastructureError: With cause ``sandbox`` if submitted functions can't be run.
        """
        require_sandbox()
        return self.instance_of(self.choose(seed), seed)

    def instance_of(self, base: Base, seed: int) -> TaskInstance:
        """The instance of `seed` made from this base model."""
        symmetry = symmetry_of(self.question_id, base.weights.config, seed)
        causal = RenamedModel(base.program, symmetry)
        hidden = Hidden(
            causal=causal,
            correspondence=renamed_correspondence(base.correspondence, symmetry),
            weights=apply_symmetry(base.weights, symmetry),
            base=base,
            symmetry=symmetry,
            seed=derive_seed(seed, self.question_id, "triples"),
        )
        words = opaque_words(
            causal.d_vocab + causal.n_labels, random.Random(derive_seed(seed, self.question_id, "names"))
        )
        labels = [word.upper() for word in words[causal.d_vocab :]]
        names = Names(words[: causal.d_vocab], labels).renamed(symmetry)
        data = draw_data(causal, generator(self.question_id, seed, "public"), with_pairs=False)
        shape = TransformerShape.of_config(base.weights.config)
        bars = LEVELS[self.level].bars
        facts = {
            **facts_of(shape, causal, data, names, with_pairs=False),
            # None where some matter so seldom that the bar would be meaningless
            "effect_bar": bars.effect if bars == PLAIN else None,
            "n_triples": PER_STRATUM * len(STRATA),
            "n_strata": len(STRATA),
            "seconds": LIMITS.time_s,
        }
        return TaskInstance(
            task=self,
            seed=seed,
            base_model=base.name,
            public=public_material(hidden.weights, causal, data, names, facts, with_pairs=False),
            hidden=hidden,
            answer_schema=_schema(facts),
        )

    def score(self, instance: TaskInstance, answer: Answer) -> Score:
        """See `Task.score`: balanced exact match on hidden triples; see `scribe_suite.scoring.mechanism`."""
        hidden: Hidden = instance.hidden
        return score_mechanism(_result(hidden, expect(answer, MechanismAnswer).code), hidden.truth, hidden.ceiling)

    def oracle_answer(self, instance: TaskInstance) -> dict[str, Any]:
        """The program that was planted, in the instance's names."""
        return {"code": instance.hidden.source, "confidence": 1.0, "summary": "The program that was planted."}

    def random_answer(self, instance: TaskInstance, rng: random.Random) -> dict[str, Any]:
        """A random label for every patch."""
        code = _CONSTANT.format(label=rng.randrange(instance.public.facts["n_labels"]))
        return {"code": code, "confidence": 0.5, "summary": "Drawn at random."}

    def plant(self, seed: int, progress: ProgressCallback) -> None:
        """See `PlantedTask.plant`."""
        plan = LEVELS[self.level].plan(seed)
        planted = plant_program(
            plan,
            derive_seed(seed, self.models_id, "planting"),
            lambda weights: self.certify(Base("", weights, plan.program, plan.correspondence), seed),
            progress,
        )
        save_frozen(
            frozen_folder(self),
            self,
            seed,
            planted.weights,
            key=key_of(plan.program, plan.correspondence),
            certificate=planted.certificate,
            training={
                "steps": 0 if plan.recipe is None else plan.recipe.steps,
                "failed_attempts": list(planted.failures),
                "cpu_seconds": round(planted.cpu_seconds, 1),
                "torch": torch.__version__,
            },
        )
        self.add_checks(seed, progress)

    def certify(self, base: Base, seed: int) -> Certificate:
        """Check all claims about the base model of a training seed that can be checked from its weights alone."""
        level = LEVELS[self.level]
        drawn = derive_seed(seed, self.models_id, "certificate")
        return certify_program(base.weights, base.program, base.correspondence, drawn, level.bars, level.n_pairs)

    def add_checks(self, seed: int, progress: ProgressCallback) -> bool:
        """See `PlantedTask.add_checks`: the score of the reference solution, the slowest check.

        A laboratory's solution is measured per level, not on each base model (docs/reference/budgets.md).
        """
        if self.level in self.laboratory:
            return False

        def instance(model: FrozenModel) -> TaskInstance:
            progress(0.95, "certified; measuring the reference solution")
            return self.instance_of(Base.of(model), derive_seed(seed, self.question_id, "reference"))

        return add_reference_check(
            self, seed, REFERENCE_CHECK, REFERENCE_BAR, instance, lambda score: score.metrics["score"]
        )


def _schema(facts: Mapping[str, Any]) -> AnswerSchema:
    example = {
        "code": _CONSTANT.format(label=0),
        "confidence": 0.7,
        "summary": "What it computes and where, how I found that, and what supports it.",
    }
    return AnswerSchema(MechanismAnswer, facts, example)


def _result(hidden: Hidden, code: str) -> FunctionResult:
    if not code:
        return FunctionResult(None)
    pairs, patched = hidden.triples.pairs, hidden.triples.patched
    nodes = TransformerShape.of_config(hidden.weights.config).nodes
    return predicted_labels(code, pairs.base.tolist(), pairs.source.tolist(), patched, nodes)
