"""Which latents of a sparse autoencoder does a model's output depend on most? Give a set of so many.

Model and autoencoder are written, not trained: each instance is drawn from its seed. The effect of a set is measured by
zeroing it. Groups of latents act independently of each other, so the best set is known exactly.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any, ClassVar

import torch

from ground_truth.circuits.planted.draws import generator, symmetry_of
from ground_truth.saes.influences.hidden import Hidden
from ground_truth.saes.influences.levels import LABORATORY, LEVELS
from ground_truth.saes.influences.public import HELD_OUT, public_material
from scribe_suite.laboratory.terms import Terms
from scribe_suite.planting.saes.network import SparseModel, build_sparse_model
from scribe_suite.planting.saes.plans import draw_sae_plan
from scribe_suite.planting.saes.prompts import balanced_prompts
from scribe_suite.scoring.influence import INFLUENCE_METRICS, score_influence
from scribe_suite.seeds import derive_seed
from scribe_suite.tasks.answer_kinds import LatentAnswer
from scribe_suite.tasks.answer_schema import AnswerSchema
from scribe_suite.tasks.answers import Answer, expect
from scribe_suite.tasks.task import Score, Task, TaskInstance


class Influential(Task):
    """``saes/influential``; see the module's docstring."""

    family = "saes"
    name = "influential"
    summary = "Find the latents of a sparse autoencoder on which a model's output depends most."
    levels: ClassVar[Mapping[int, str]] = {
        1: f"{LEVELS[1].n_latents} latents, which act one by one",
        2: f"{LEVELS[2].n_latents} latents, many of which act together",
        3: "the same, in a laboratory",
    }
    laboratory: ClassVar[Mapping[int, Terms]] = LABORATORY
    laboratory_solution = "influential_lab"
    #: outputs say nothing about latents
    black_box = False
    default_levels = (1,)
    metrics = INFLUENCE_METRICS

    def instance(self, seed: int) -> TaskInstance:
        """See `Task.instance`: model and autoencoder written from the seed."""
        dial = LEVELS[self.level]
        hidden = Hidden(
            model=self.model(seed),
            chosen=dial.chosen,
            tokens=balanced_prompts(HELD_OUT, dial.d_vocab, generator(self.question_id, seed, "held out")),
        )
        public = public_material(hidden.model, dial.chosen, seed=derive_seed(seed, self.question_id, "public"))
        example = {
            "latents": [*range(min(3, dial.chosen))],
            "confidence": 0.7,
            "summary": "Which latents matter, how I found that, and what supports it.",
        }
        return TaskInstance(
            task=self,
            seed=seed,
            base_model=f"{self.question_id}, written for the instance",
            public=public,
            hidden=hidden,
            answer_schema=AnswerSchema(LatentAnswer, public.facts, example),
        )

    def model(self, seed: int) -> SparseModel:
        """The model of an instance, under a symmetry: nothing is where it was written."""
        dial = LEVELS[self.level]
        plan = draw_sae_plan(dial, derive_seed(seed, self.question_id, "plan"))
        written = build_sparse_model(dial, plan, derive_seed(seed, self.question_id, "weights"))
        symmetry = symmetry_of(self.question_id, written.weights.config, seed)
        order = torch.randperm(dial.n_latents, generator=generator(self.question_id, seed, "latents")).tolist()
        return written.changed(symmetry, order)

    def score(self, instance: TaskInstance, answer: Answer) -> Score:
        """See `Task.score`: what zeroing the latents changes, relative to the best set."""
        said, hidden = expect(answer, LatentAnswer).latents, instance.hidden
        best, best_effect = hidden.best
        return score_influence(
            said, hidden.effect(said), best, best_effect, mean_effect=hidden.effects.mean(hidden.chosen)
        )

    def oracle_answer(self, instance: TaskInstance) -> dict[str, Any]:
        """The best set."""
        best, _ = instance.hidden.best
        return {"latents": best, "confidence": 1.0, "summary": "What was written."}

    def random_answer(self, instance: TaskInstance, rng: random.Random) -> dict[str, Any]:
        """A random set of the size that is asked for."""
        facts = instance.public.facts
        chosen = sorted(rng.sample(range(facts["n_latents"]), facts["max_latents"]))
        return {"latents": chosen, "confidence": 0.0, "summary": "Drawn at random."}
