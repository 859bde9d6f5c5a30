"""What the probe tasks share: base models that know a truth, fresh instances, the certificate, scoring.

A base model is trained on a world of statements (`scribe_suite.planting.statements`). An instance is one of them after
a drawn symmetry, with other token ids, and a split: labelled statements about some entities are public, statements
about others are hidden. Reference and control (untrained twins) are measured anew on exactly this split.
"""

from __future__ import annotations

import json
import random
import time
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Bool, Float
from safetensors.torch import save
from transformer_lens import HookedTransformer

from ground_truth.probes.planted.certificate import probe_checks
from ground_truth.probes.planted.split import Split
from scribe_suite.errors import FrozenModelError
from scribe_suite.paths import suite_root
from scribe_suite.planting.frozen import (
    Certificate,
    Check,
    FrozenModel,
    frozen_folder,
    load_all_frozen,
    round_to_half,
    save_frozen,
)
from scribe_suite.planting.hooked import SETUP_CODE, ModelWeights, build_model, public_files, untrained_twin
from scribe_suite.planting.reference import reference_answer
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
from scribe_suite.tasks.registry import default_registry

LARGEST_CONTROL, LOWEST_REFERENCE = 0.6, 0.8
"""A split that untrained twins read better than this, or the recipe worse, is drawn again: it could not tell skill."""

_TWINS = 3
_DRAWS = 20
_ORACLE_INVERSE_PENALTY = 10.0
_REFERENCE_INSTANCES = 2
_REFERENCE_BAR, _FEW_LABELS_BAR = 0.9, 0.85

DATA_CODE = """
vocabulary = json.load(open("vocabulary.json"))  # token id -> string
data = load_file("statements.safetensors")
statements, labels = data["tokens"], data["labels"].bool()  # token ids [statement, position], truth [statement]


def text(tokens):
    return " ".join(vocabulary[token] for token in tokens.tolist())
"""


@dataclass(frozen=True)
class Hidden:
    """What the evaluator keeps.

    Attributes:
        weights: The model of the instance.
        split: Both sides of the split, in the instance's token ids.
        reference_accuracy: Of the reference recipe, on the held-out side.
        control_accuracy: Of the same recipe on untrained twins, the mean of a few.
    """

    weights: ModelWeights
    split: Split
    reference_accuracy: float
    control_accuracy: float

    @property
    def held_out(self) -> LabelledStatements:
        """The statements that answers are judged on."""
        return self.split.held_out


class PlantedProbeTask(PlantedTask):
    """Base of the probe tasks: a linear probe is submitted.

    Attributes:
        models: The world's name; all tasks with the same one share base models.
        labelled: Whether agents get labels.
        few_labels: Whether the public side is so small that luck decides what a recipe reaches.
        recipe_bar: What the recipe has to reach on a base model, on the worst of a few splits (with few labels: on
            average).
    """

    family: ClassVar[str] = "probes"
    version: ClassVar[int] = 2
    metrics: ClassVar[tuple[str, ...]] = PROBE_METRICS
    labelled: ClassVar[bool] = True
    few_labels: ClassVar[bool] = False
    recipe_bar: ClassVar[float] = 0.95

    @abstractmethod
    def world(self, seed: int) -> World:
        """What the base model of `seed` is trained on."""

    @abstractmethod
    def draw_split(self, seed: int) -> Split:
        """Draw what is public and what is held out, in a base model's token ids."""

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
        """See `Task.plant`; the model serves all tasks of its world. Three to six minutes on one thread."""
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
            checks += _reference_checks(weights, tasks, progress)
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
        base_models.cache_clear()

    def instance(self, seed: int) -> TaskInstance:
        """See `Task.instance`: draw base model, names, symmetry and split."""
        models = base_models(frozen_folder(self), self)
        base = models[instance_rng(self.id, seed, "base").randrange(len(models))]
        return self.instance_of(seed, base.name, base.weights)

    def instance_of(self, seed: int, base_name: str, base: ModelWeights) -> TaskInstance:
        """The instance of `seed` if there were only this base model.

        Raises:
            FrozenModelError: When no drawn split has a control near chance and a recipe that works.
        """
        rng = instance_rng(self.id, seed)
        symmetry = draw_symmetry(base.config, rng.getrandbits(60), labels="as_tokens")
        weights = apply_symmetry(base, symmetry)
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
                f"plant {base_name} again with `scribe-suite plant {self.id} --force --seeds N`."
            )
        hidden = Hidden(weights, split, reference, control)
        return self._assembled(seed, base_name, model, hidden, symmetry, rng)

    def _assembled(
        self,
        seed: int,
        base_name: str,
        model: HookedTransformer,
        hidden: Hidden,
        symmetry: Symmetry,
        rng: random.Random,
    ) -> TaskInstance:
        shown = self.strings(self.world(0).words, rng)
        vocabulary = [""] * len(shown)
        for old, string in enumerate(shown):
            vocabulary[symmetry.token_map[old]] = string
        weights = hidden.weights
        return TaskInstance(
            task=self,
            seed=seed,
            base_model=base_name,
            public=self.public_material(weights, model, hidden.split, vocabulary),
            hidden=hidden,
            answer_schema=self.answer_schema(weights.config, hidden.split.public.tokens.shape[1]),
        )

    def public_material(
        self,
        weights: ModelWeights,
        model: HookedTransformer,  # noqa: ARG002 - for those that override it
        split: Split,
        vocabulary: Sequence[str],
    ) -> PublicMaterial:
        """The model, the vocabulary, and public statements with their labels."""
        public = split.public
        data = {"tokens": public.tokens.contiguous(), "labels": torch.from_numpy(public.labels.astype(np.uint8))}
        further = {name: values.contiguous() for name, values in split.further.items()}
        code = "".join(f'{name} = data["{name}"]\n' for name in further)
        return PublicMaterial(
            files={
                **public_files(weights),
                "vocabulary.json": json.dumps(list(vocabulary)).encode(),
                "statements.safetensors": save({**data, **further}),
            },
            setup_code=SETUP_CODE + DATA_CODE + (f"\n\n{code}" if code else ""),
            facts={
                **self.sizes(weights.config, split, vocabulary),
                "example_label": bool(public.labels[0]),
                **self.further_facts(split, vocabulary),
            },
        )

    def sizes(self, config: Mapping[str, Any], split: Split, vocabulary: Sequence[str]) -> dict[str, Any]:
        """Facts about model and statements that every prompt shows."""
        tokens = split.public.tokens
        return {
            "n_layers": int(config["n_layers"]),
            "d_model": int(config["d_model"]),
            "n_statements": len(tokens),
            "statement_length": tokens.shape[1],
            "example": " ".join(vocabulary[token] for token in tokens[0].tolist()),
        }

    def answer_schema(self, config: Mapping[str, Any], length: int) -> AnswerSchema:
        """What an answer looks like."""
        width = int(config["d_model"])
        example = {
            "layer": 0,
            "position": "last",
            "confidence": 0.7,
            "nothing_found": False,
            "summary": "How the probe was found and what supports it.",
            "bias": 0.25,
            "weight": [0.5] * width,
            "center": [],
        }
        return AnswerSchema(model=ProbeAnswer, facts=reading_facts(config, length), example=example)

    def score(self, instance: TaskInstance, answer: Answer) -> Score:
        """See `Task.score`: accuracy on statements about held-out entities."""
        if not isinstance(answer, ProbeAnswer):
            raise TypeError(f"{self.id} scores a ProbeAnswer, not a {type(answer).__name__}")
        hidden: Hidden = instance.hidden
        return score_probe(
            answer,
            build_model(hidden.weights),
            hidden.held_out,
            control_accuracy=hidden.control_accuracy,
            reference_accuracy=hidden.reference_accuracy,
        )

    def oracle_answer(self, instance: TaskInstance) -> dict[str, Any]:
        """See `Task.oracle_answer`: the probe fitted on the hidden statements."""
        hidden: Hidden = instance.hidden
        residual = residual_at(build_model(hidden.weights), hidden.held_out.tokens, TRUTH_LAYER, "last")
        probe = fit_probe(residual, hidden.held_out.labels, _ORACLE_INVERSE_PENALTY)
        return {
            "layer": TRUTH_LAYER,
            "position": "last",
            "weight": probe.weight.tolist(),
            "bias": probe.bias,
            "center": probe.center.tolist(),
            "confidence": 1.0,
            "nothing_found": False,
            "summary": "Fitted on the hidden statements.",
        }

    def random_answer(self, instance: TaskInstance, rng: random.Random) -> dict[str, Any]:
        """See `Task.random_answer`: a random direction at a random layer."""
        config = instance.hidden.weights.config
        return {
            "layer": rng.randrange(int(config["n_layers"])),
            "position": "last",
            "weight": [rng.gauss(0.0, 1.0) for _ in range(int(config["d_model"]))],
            "bias": 0.0,
            "center": [],
            "confidence": 0.5,
            "nothing_found": False,
            "summary": "A random direction.",
        }


def reading_facts(config: Mapping[str, Any], length: int) -> dict[str, int]:
    """What the validators of answers that read the residual stream need."""
    return {"n_layers": int(config["n_layers"]), "n_ctx": length, "d_model": int(config["d_model"])}


def sharing(task: PlantedProbeTask) -> list[PlantedProbeTask]:
    """All tasks that share base models with `task`, itself included."""
    registered = [other for other in default_registry().of_family(task.family) if isinstance(other, PlantedProbeTask)]
    return [other for other in registered if other.models_id == task.models_id]


@cache
def base_models(folder: Path, task: PlantedProbeTask) -> list[FrozenModel]:
    """The base models in `folder`.

    Raises:
        FrozenModelError: When there is none, or one of them can't be trusted.
    """
    return load_all_frozen(task, folder)


def _reference_checks(
    weights: ModelWeights, tasks: Sequence[PlantedProbeTask], progress: ProgressCallback
) -> list[Check]:
    """The worst accuracy of every task's reference solution on a few instances of a model that is not frozen yet.

    With few labels luck decides about one instance: there it is the mean.
    """
    checks = []
    for number, task in enumerate(tasks):
        reached = []
        for seed in range(_REFERENCE_INSTANCES):
            done = 0.85 + 0.15 * (number + seed / _REFERENCE_INSTANCES) / len(tasks)
            progress(done, f"certified; measuring the reference solution of {task.id}")
            instance = task.instance_of(seed, f"{task.models_id}/candidate", weights)
            score = task.score(instance, reference_answer(suite_root(), instance))
            reached.append(score.metrics["accuracy"])
        value, bar = (float(np.mean(reached)), _FEW_LABELS_BAR) if task.few_labels else (min(reached), _REFERENCE_BAR)
        checks.append(Check(name=f"reference/{task.name}", value=value, bar=bar, direction=">="))
    return checks
