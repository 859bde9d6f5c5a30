"""The base of the probe tasks: base models that know a truth, fresh instances, scoring.

A base model is trained on a world of statements (`scribe_suite.planting.statements`). An instance is one of them after
a drawn symmetry, with other token ids, and a split: labelled statements about some entities are public, statements
about others are hidden. Reference and control (untrained twins) are measured again on exactly this split.
"""

from __future__ import annotations

import random
import time
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Bool, Float
from transformer_lens import HookedTransformer

from ground_truth.probes.planted.answers import example_probe, fitted_probe, random_probe, reading_facts
from ground_truth.probes.planted.base import Base, base_models, is_certified
from ground_truth.probes.planted.certificate import VERDICT_BAR, probe_checks, reference_check, task_checks
from ground_truth.probes.planted.hidden import Hidden
from ground_truth.probes.planted.public import labelled_material
from ground_truth.probes.planted.split import Split
from scribe_suite.errors import FrozenModelError
from scribe_suite.planting.frozen import (
    Certificate,
    Check,
    add_checks,
    frozen_folder,
    load_frozen,
    round_to_half,
    save_frozen,
)
from scribe_suite.planting.hooked import ModelWeights, build_model, untrained_twin
from scribe_suite.planting.statements.language import FRAME
from scribe_suite.planting.statements.training import TRUTH_LAYER, StatementTraining, train_statements
from scribe_suite.planting.statements.world import World
from scribe_suite.planting.symmetries import Symmetry, apply_symmetry, draw_symmetry
from scribe_suite.progress import ProgressCallback
from scribe_suite.scoring.probes import (
    PROBE_METRICS,
    LabelledStatements,
    LinearProbe,
    fit_probe,
    probe_accuracy,
    residual_at,
    score_probe,
)
from scribe_suite.seeds import instance_rng
from scribe_suite.tasks import Answer, AnswerSchema, PlantedTask, ProbeAnswer, PublicMaterial, Score, TaskInstance
from scribe_suite.tasks.answers import expect
from scribe_suite.tasks.registry import default_registry

#: A split that untrained twins read better than this, or the recipe worse, is redrawn: skill is not measurable on it.
LARGEST_CONTROL, LOWEST_REFERENCE = 0.6, 0.8

#: Untrained twins per instance, whose mean is the control.
_TWINS = 3
#: Most splits that are drawn for an instance.
_DRAWS = 20
#: ``C`` of the probe that the oracle fits on the hidden statements.
_ORACLE_INVERSE_PENALTY = 10.0


class PlantedProbeTask(PlantedTask):
    """Base of the probe tasks: a linear probe is submitted.

    Class attributes:
        models: The world's name; all tasks with the same one share base models.
        labelled: Whether agents get labels.
        few_labels: Whether the public side is so small that chance decides how well a recipe does.
        recipe_bar: The least result of the recipe on a base model, on the worst of a few splits (with few labels: on
            average).
    """

    family: ClassVar[str] = "probes"
    version = 5
    models_version: ClassVar[int] = 2
    metrics: ClassVar[tuple[str, ...]] = PROBE_METRICS
    labelled: ClassVar[bool] = True
    few_labels: ClassVar[bool] = False
    recipe_bar: ClassVar[float] = 0.95
    #: outputs alone don't reveal where a probe must read
    black_box: ClassVar[bool] = False

    @abstractmethod
    def world(self, seed: int) -> World:
        """The world on which the base model of `seed` is trained."""

    @abstractmethod
    def draw_split(self, seed: int) -> Split:
        """Draw the public and held-out sides, in a base model's token ids."""

    @abstractmethod
    def recipe(self, hidden: Float[np.ndarray, "statement d_model"], public: LabelledStatements) -> LinearProbe:
        """The reference recipe: a probe from public activations at the place where the truth is read.

        Args:
            hidden: Activations of the public statements.
            public: The statements.
        """

    def judged(
        self,
        probe: LinearProbe,
        hidden: Float[np.ndarray, "statement d_model"],
        labels: Bool[np.ndarray, " statement"],
    ) -> float:
        """The primary metric of a probe on held-out activations."""
        return probe_accuracy(probe, hidden, labels)

    def recipe_accuracy(
        self, model: HookedTransformer, split: Split, layer: int = TRUTH_LAYER, position: int | str = "last"
    ) -> float:
        """The primary metric of the recipe, from the public to the held-out side, read at one place."""
        probe = self.recipe(residual_at(model, split.public.tokens, layer, position), split.public)
        held_out = residual_at(model, split.held_out.tokens, layer, position)
        return self.judged(probe, held_out, split.held_out.labels)

    def further_checks(self, model: HookedTransformer, splits: Sequence[Split]) -> list[Check]:  # noqa: ARG002
        """Checks on a base model that only this task needs."""
        return []

    def further_facts(self, split: Split, vocabulary: Sequence[str]) -> dict[str, Any]:  # noqa: ARG002
        """Further facts for the prompt."""
        return {}

    def strings(self, words: Sequence[str], rng: random.Random) -> list[str]:  # noqa: ARG002
        """The strings under which an instance shows the world's words, in the same order."""
        return list(words)

    def plant(self, seed: int, progress: ProgressCallback) -> None:
        """See `PlantedTask.plant`; the model serves all tasks of its world. Three to six minutes on one thread."""
        started = time.process_time()
        settings = StatementTraining()
        weights = train_statements(self.world(seed), seed, settings, lambda done, line: progress(0.8 * done, line))
        facts = {**asdict(settings), "cpu_seconds": round(time.process_time() - started, 1)}
        self.freeze(seed, round_to_half(weights), facts, progress)

    def freeze(self, seed: int, weights: ModelWeights, training: Mapping[str, Any], progress: ProgressCallback) -> None:
        """Certify and save a trained model; the last step of `plant`.

        Raises:
            FrozenModelError: When the certificate fails; nothing is written then.
        """
        tasks = sharing(self)
        progress(0.8, "measuring the certificate")
        checks = probe_checks(self.world(seed), weights, tasks)
        if all(check.passed for check in checks):
            for number, task in enumerate(tasks):
                progress(0.85 + 0.15 * number / len(tasks), f"certified; measuring the reference solution of {task.id}")
                checks.append(reference_check(task, candidate(task, weights)))
        save_frozen(
            frozen_folder(self),
            self,
            seed,
            weights,
            {
                "read": {"layer": TRUTH_LAYER, "position": "last"},
                "appears": {"layer": TRUTH_LAYER - 1, "position": -FRAME},
            },
            Certificate(checks=tuple(checks)),
            {**training, "torch": torch.__version__},
        )

    def add_checks(self, seed: int, progress: ProgressCallback) -> bool:
        """See `PlantedTask.add_checks`; about a minute on one thread."""
        path = frozen_folder(self) / f"seed{seed}.json"
        model = load_frozen(path, self)
        if is_certified(self, model.record.certificate):
            return False
        progress(0.0, "is frozen already; measuring the checks of this task")
        checks = task_checks(self, self.world(seed), model.weights)
        if all(check.passed for check in checks):
            progress(0.5, "certified; measuring the reference solution")
            checks.append(reference_check(self, candidate(self, model.weights)))
        add_checks(path, self, checks, model)
        return True

    def instance(self, seed: int) -> TaskInstance:
        """See `Task.instance`: draw base model, names, symmetry and split."""
        bases = base_models(self)
        return self.instance_of(bases[instance_rng(self.question_id, seed, "base").randrange(len(bases))], seed)

    def instance_of(self, base: Base, seed: int) -> TaskInstance:
        """The instance of `seed` if there were only this base model.

        Raises:
            FrozenModelError: When no drawn split has a control near chance and a recipe that works.
        """
        rng = instance_rng(self.question_id, seed)
        symmetry = draw_symmetry(base.weights.config, rng.getrandbits(60), labels="as_tokens")
        weights = apply_symmetry(base.weights, symmetry)
        model = build_model(weights)
        for _ in range(_DRAWS):
            split = self.draw_split(rng.getrandbits(60)).renamed(symmetry.token_map)
            twins = [untrained_twin(weights.config, rng.getrandbits(60)) for _ in range(_TWINS)]
            reference = self.recipe_accuracy(model, split)
            control = float(np.mean([self.recipe_accuracy(twin, split) for twin in twins]))
            if control <= LARGEST_CONTROL and reference >= LOWEST_REFERENCE:
                break
        else:
            raise FrozenModelError(
                f"{self.id}: on no split drawn for seed {seed} do recipe and untrained twins differ as they should; "
                f"plant {base.name} again with `scribe-suite plant {self.id} --force --seeds N`."
            )
        public = self.public_material(weights, model, split, self._vocabulary(symmetry, rng))
        return TaskInstance(
            task=self,
            seed=seed,
            base_model=base.name,
            public=public.with_facts(
                n_twins=_TWINS,
                largest_control=LARGEST_CONTROL,
                lowest_reference=LOWEST_REFERENCE,
                verdict_bar=VERDICT_BAR,
            ),
            hidden=Hidden(weights, split, reference, control),
            answer_schema=self.answer_schema(weights.config, split.public.tokens.shape[1]),
        )

    def _vocabulary(self, symmetry: Symmetry, rng: random.Random) -> list[str]:
        """The string of every token id of an instance."""
        shown = self.strings(self.world(0).words, rng)
        vocabulary = [""] * len(shown)
        for old, string in enumerate(shown):
            vocabulary[symmetry.token_map[old]] = string
        return vocabulary

    def public_material(
        self,
        weights: ModelWeights,
        model: HookedTransformer,  # noqa: ARG002 - for those that override it
        split: Split,
        vocabulary: Sequence[str],
    ) -> PublicMaterial:
        """The agents' material: the model, the vocabulary, and public statements with their labels."""
        return labelled_material(weights, split, vocabulary, self.further_facts(split, vocabulary))

    def answer_schema(self, config: Mapping[str, Any], length: int) -> AnswerSchema:
        """The schema of answers.

        Args:
            config: The config of the instance's model.
            length: Tokens of a statement.
        """
        return AnswerSchema(ProbeAnswer, reading_facts(config, length), example_probe(int(config["d_model"])))

    def score(self, instance: TaskInstance, answer: Answer) -> Score:
        """See `Task.score`: accuracy on statements about held-out entities."""
        probe = expect(answer, ProbeAnswer)
        hidden: Hidden = instance.hidden
        return score_probe(
            probe,
            build_model(hidden.weights),
            hidden.held_out,
            control_accuracy=hidden.control_accuracy,
            reference_accuracy=hidden.reference_accuracy,
        )

    def primary_score(self, instance: TaskInstance, answer: Answer) -> float:
        """The primary metric of an answer; needs no frozen reference."""
        return self.score(instance, answer).metrics["accuracy"]

    def oracle_answer(self, instance: TaskInstance) -> dict[str, Any]:
        """See `Task.oracle_answer`: the probe fitted on the hidden statements."""
        hidden: Hidden = instance.hidden
        residual = residual_at(build_model(hidden.weights), hidden.held_out.tokens, TRUTH_LAYER, "last")
        probe = fit_probe(residual, hidden.held_out.labels, _ORACLE_INVERSE_PENALTY)
        return fitted_probe(probe, TRUTH_LAYER, "last")

    def random_answer(self, instance: TaskInstance, rng: random.Random) -> dict[str, Any]:
        """See `Task.random_answer`: a random direction at a random layer."""
        return random_probe(instance.answer_schema.facts, rng)


def candidate(task: PlantedTask, weights: ModelWeights) -> Base:
    """A base model whose certificate is being measured."""
    return Base(f"{task.models_id}/candidate", weights)


def sharing(task: PlantedProbeTask) -> list[PlantedProbeTask]:
    """All tasks that share base models with `task`, itself included, at their first level."""
    registered = [other for other in default_registry().of_family(task.family) if isinstance(other, PlantedProbeTask)]
    return [other for other in registered if other.models_id == task.models_id]
