"""The base of all tasks with a planted circuit: planting, certificate, fresh instances, scoring.

A task adds a plan per training seed (causal model, nodes, architecture, recipe), a prompt and a reference solution.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, ClassVar

import torch
from torch import Tensor

from ground_truth.circuits.planted.base import Base, PlannedTask, base_models, key_of_plan
from ground_truth.circuits.planted.blind import BlindAnswer
from ground_truth.circuits.planted.draws import generator, symmetry_of
from ground_truth.circuits.planted.hidden import Hidden
from ground_truth.circuits.planted.levels import laboratory
from ground_truth.circuits.planted.material import Names, draw_data, facts_of, public_material
from ground_truth.circuits.planted.public import opaque_words
from ground_truth.circuits.planted.shared import plant_shared
from scribe_suite.laboratory.prices import Work, price_of
from scribe_suite.laboratory.terms import Terms
from scribe_suite.paths import suite_root
from scribe_suite.planting.circuits.causal import (
    CausalModel,
    Correspondence,
    RenamedModel,
    circuit_of,
    renamed_correspondence,
)
from scribe_suite.planting.circuits.certificate import certify_circuit
from scribe_suite.planting.circuits.interchange import Pairs, draw_pairs
from scribe_suite.planting.circuits.plant_circuit import PlantedWeights, plant_circuit
from scribe_suite.planting.circuits.sharing_certificate import SHARED_EFFECT_BAR
from scribe_suite.planting.frozen import Certificate, Check, frozen_folder, frozen_models, save_frozen
from scribe_suite.planting.hooked import ModelWeights
from scribe_suite.planting.reference import reference_answer
from scribe_suite.planting.symmetries import apply_symmetry
from scribe_suite.progress import ProgressCallback
from scribe_suite.scoring.information import bits_of_set, least_uses
from scribe_suite.scoring.sets import COMPONENT_METRICS, f1, score_components
from scribe_suite.seeds import derive_seed
from scribe_suite.tasks.answer_kinds import ComponentAnswer
from scribe_suite.tasks.answer_schema import AnswerSchema
from scribe_suite.tasks.answers import Answer, expect
from scribe_suite.tasks.task import Score, TaskInstance

REFERENCE_CHECK = "reference/primary"
REFERENCE_BAR = 0.9

_HELD_OUT_PAIRS = 512
_CERTIFICATE_PAIRS = 1024


class PlantedCircuitTask(PlannedTask):
    """Base of tasks that ask for the components of a planted circuit.

    Class attributes:
        public_pairs: Whether agents get labels and counterfactual pairs.
    """

    family = "circuits"
    version = 3
    models_version: ClassVar[int] = 2
    metrics: ClassVar[tuple[str, ...]] = COMPONENT_METRICS

    def __init_subclass__(cls) -> None:
        """Refuse tasks that share base models.

        Raises:
            TypeError: If the task shares base models: a certificate has the result of only one reference solution.
        """
        super().__init_subclass__()
        if cls.models:
            raise TypeError(f"{cls.__name__} shares the base models {cls.models!r}, but each circuit task has its own.")

    public_pairs = True
    laboratory: ClassVar[Mapping[int, Terms]] = laboratory(temperature=3.0)
    laboratory_solution: ClassVar[str] = "laboratory"

    def words(self, causal: CausalModel, rng: random.Random) -> tuple[list[str], list[str]]:
        """Names of the original token ids and labels, drawn for one instance; meaningless words by default."""
        drawn = opaque_words(causal.d_vocab + causal.n_labels, rng)
        return drawn[: causal.d_vocab], [word.upper() for word in drawn[causal.d_vocab :]]

    def key(self, correspondence: Correspondence) -> frozenset[str]:
        """The right answer as a set; all nodes of the circuit by default."""
        return circuit_of(correspondence)

    def hidden_pairs(self, causal: CausalModel, n: int, generator: torch.Generator) -> Pairs:
        """Pairs that show the behaviour in question, on which an answer's faithfulness is measured."""
        return draw_pairs(causal, n, generator)

    def public_data(self, causal: CausalModel, generator: torch.Generator) -> dict[str, Tensor]:
        """The public tensors, by their names in the notebook."""
        return draw_data(causal, generator, with_pairs=self.public_pairs)

    def choose(self, seed: int) -> Base:
        """The base model of the instance of `seed`.

        Raises:
            FrozenModelError: If there is none, or one of them can't be trusted.
        """
        models = base_models(self)
        return models[derive_seed(seed, self.question_id, "base model") % len(models)]

    def instance(self, seed: int) -> TaskInstance:
        """See `Task.instance`: a base model chosen by `seed`, under a symmetry drawn from it, with fresh data."""
        return self.instance_of(self.choose(seed), seed)

    def instance_of(self, base: Base, seed: int) -> TaskInstance:
        """The instance of `seed` made from this base model."""
        plan = self.plan(base.seed)
        symmetry = symmetry_of(self.question_id, base.weights.config, seed)
        causal = RenamedModel(plan.causal, symmetry)
        hidden = Hidden(
            causal=causal,
            correspondence=renamed_correspondence(base.correspondence, symmetry),
            weights=apply_symmetry(base.weights, symmetry),
            held_out=self.hidden_pairs(causal, _HELD_OUT_PAIRS, generator(self.question_id, seed, "held out")),
        )
        words = self.words(plan.causal, random.Random(derive_seed(seed, self.question_id, "names")))
        names = Names(*words).renamed(symmetry)
        data = self.public_data(causal, generator(self.question_id, seed, "public"))
        facts = {
            **facts_of(plan.shape, causal, data, names, with_pairs=self.public_pairs),
            "reference_bar": REFERENCE_BAR if self.level == 1 else None,
            **({"effect_bar": SHARED_EFFECT_BAR} if self.is_shared else {}),
            **self.further_facts(data),
        }
        return TaskInstance(
            task=self,
            seed=seed,
            base_model=base.name,
            public=public_material(hidden.weights, causal, data, names, facts, with_pairs=self.public_pairs),
            hidden=hidden,
            answer_schema=self.answer_schema(facts),
        )

    def score(self, instance: TaskInstance, answer: Answer) -> Score:
        """See `Task.score`: F1 against the certified circuit; a note reports the nodes' effect on the behaviour."""
        answer = expect(answer, ComponentAnswer)
        hidden: Hidden = instance.hidden
        key, reference = self.key(hidden.correspondence), self.reference_score(instance)
        score = score_components(answer.components, key, self.blind.chance, reference)
        return hidden.with_note(score, answer.components)

    def primary_score(self, instance: TaskInstance, answer: Answer) -> float:
        """The primary metric, which needs no frozen reference."""
        return f1(frozenset(expect(answer, ComponentAnswer).components), self.key(instance.hidden.correspondence))

    def bound(self, instance: TaskInstance) -> int | None:
        """See `Task.bound`: where patched prompts return only labels, each carries at most log2(number of labels) bits.

        The argument assumes that the number of components is known and all sets of that size are equally probable.
        """
        terms, causal = self.terms, instance.hidden.causal
        if self.access != "lab" or terms is None or "read" in terms.operations:
            return None
        if terms.returns not in ("labels", "samples"):
            return None
        key, chance = self.key(instance.hidden.correspondence), self.blind.chance
        enough = chance + self.pass_mark * (self.reference_score(instance) - chance)
        bits = bits_of_set(len(instance.public.facts["components"]), len(key), enough)
        labels = 1 if terms.positions == "last" else causal.n_ctx
        prompts = least_uses(bits, labels * math.log2(causal.n_labels))
        return prompts * price_of(Work(units=1, patched=True)) or None

    def oracle_answer(self, instance: TaskInstance) -> dict[str, Any]:
        """See `Task.oracle_answer`: the certified circuit."""
        return {
            "components": sorted(self.key(instance.hidden.correspondence)),
            "confidence": 1.0,
            "summary": "The circuit that was planted and certified.",
        }

    def random_answer(self, instance: TaskInstance, rng: random.Random) -> dict[str, Any]:
        """See `Task.random_answer`: a random number of random components."""
        universe = list(instance.public.facts["components"])
        return {
            "components": rng.sample(universe, rng.randint(1, len(universe))),
            "confidence": 0.5,
            "summary": "Drawn at random.",
        }

    def plant(self, seed: int, progress: ProgressCallback) -> None:
        """See `PlantedTask.plant`."""
        if self.is_shared:
            plant_shared(self, type(self)(), seed, progress)
            return
        planted = plant_circuit(
            self.plan(seed),
            derive_seed(seed, self.models_id, "planting"),
            lambda weights: self.certify(seed, weights),
            progress,
        )
        self.freeze(seed, planted, progress)

    def freeze(self, seed: int, planted: PlantedWeights, progress: ProgressCallback) -> None:
        """Measure the reference solution on a certified model, and save it; the last step of `plant`.

        Raises:
            FrozenModelError: If the certificate fails; nothing is written then.
        """
        plan, certificate = self.plan(seed), planted.certificate
        if certificate.passed:
            progress(0.97, "certified; measuring the reference solution")
            base = Base(f"{self.id}/seed{seed}", seed, planted.weights, plan.correspondence)
            instance = self.instance_of(base, derive_seed(seed, self.question_id, "reference"))
            reached = self.primary_score(instance, reference_answer(suite_root(), instance))
            check = Check(name=REFERENCE_CHECK, value=round(reached, 6), bar=REFERENCE_BAR, direction=">=")
            certificate = Certificate(checks=(*certificate.checks, check))
        save_frozen(
            frozen_folder(self),
            self,
            seed,
            planted.weights,
            key=key_of_plan(plan),
            certificate=certificate,
            training={
                "steps": plan.recipe.steps,
                "failed_attempts": list(planted.failures),
                "cpu_seconds": round(planted.cpu_seconds, 1),
                "torch": torch.__version__,
            },
        )

    def certify(self, seed: int, weights: ModelWeights) -> Certificate:
        """Check all claims about the base model of `seed` that can be checked from its weights alone."""
        plan = self.plan(seed)
        pairs = draw_pairs(plan.causal, _CERTIFICATE_PAIRS, generator(self.models_id, seed, "certificate"))
        general = certify_circuit(weights, plan.causal, plan.correspondence, pairs)
        return Certificate(checks=(*general.checks, *self.further_checks(seed, weights)))

    def answer_schema(self, facts: Mapping[str, Any]) -> AnswerSchema:
        """The schema of answers; a set of components by default."""
        universe = facts["components"]
        return AnswerSchema(
            ComponentAnswer,
            facts,
            example={
                "components": [universe[1], universe[-1]],
                "confidence": 0.7,
                "summary": "How I found them, and what supports it.",
            },
        )

    def further_checks(self, seed: int, weights: ModelWeights) -> Sequence[Check]:  # noqa: ARG002  # for subclasses
        """Checks of further claims of this task's key; none by default."""
        return ()

    def further_facts(self, data: Mapping[str, Tensor]) -> dict[str, Any]:  # noqa: ARG002  # for subclasses
        """Facts for the prompt that other circuit tasks don't have; none by default."""
        return {}

    def part(self, element: str) -> str:
        """The node that an element of `key` is about; an answer has at most one element for each node."""
        return element

    @cached_property
    def blind(self) -> BlindAnswer:
        """The best fixed answer over many instances, from frozen keys and symmetries only."""
        bases = base_models(self)
        planned = {base.name: base.correspondence for base in bases}

        def key_of_instance(seed: int) -> frozenset[str]:
            base = self.choose(seed)
            symmetry = symmetry_of(self.question_id, base.weights.config, seed)
            return self.key(renamed_correspondence(planned[base.name], symmetry))

        return BlindAnswer.over(key_of_instance, self.part)

    def reference_score(self, instance: TaskInstance) -> float:
        """The reference solution's score on this instance's base model when it was frozen; 1 in laboratories."""
        if self.level in self.laboratory:
            return 1.0
        return frozen_models(self)[instance.base_model].record.certificate.value(REFERENCE_CHECK)
