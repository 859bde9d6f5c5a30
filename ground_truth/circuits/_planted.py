"""What all tasks with a planted circuit share: training, certificate, fresh instances, scoring.

A task adds a causal model, where its variables sit for each training seed, a shape and a recipe.
"""

from __future__ import annotations

import json
import random
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import torch
from safetensors.torch import save

from scribe_suite.errors import FrozenModelError
from scribe_suite.paths import suite_root
from scribe_suite.planting.causal import (
    CausalModel,
    Correspondence,
    RenamedModel,
    circuit_of,
    renamed_correspondence,
)
from scribe_suite.planting.certify import certify_circuit
from scribe_suite.planting.frozen import (
    Certificate,
    Check,
    FrozenModel,
    frozen_folder,
    load_all_frozen,
    round_to_half,
    save_frozen,
)
from scribe_suite.planting.hooked import SETUP_CODE, ModelWeights, public_files
from scribe_suite.planting.interchange import Pairs, draw_pairs
from scribe_suite.planting.patchable import TransformerShape
from scribe_suite.planting.reference import reference_answer
from scribe_suite.planting.siit import SiitRecipe, train_siit
from scribe_suite.planting.symmetries import Symmetry, apply_symmetry, draw_symmetry
from scribe_suite.scoring.normalise import best_blind_answer
from scribe_suite.scoring.sets import COMPONENT_METRICS, f1, score_components
from scribe_suite.tasks.answers import Answer, AnswerSchema, ComponentAnswer
from scribe_suite.tasks.seeds import derive_seed
from scribe_suite.tasks.task import ProgressCallback, PublicMaterial, Score, Task, TaskInstance

REFERENCE_CHECK = "reference/f1"
REFERENCE_BAR = 0.9

_PUBLIC_PROMPTS = 2000
_PUBLIC_PAIRS = 1000
_HELD_OUT_PAIRS = 1024
_KEYS_FOR_BLIND_ANSWER = 200

_LOAD_DATA = """\
data = load_file("data.safetensors")
prompts, labels = data["prompts"], data["labels"]
base, base_labels = data["base"], data["base_labels"]
source, source_labels = data["source"], data["source_labels"]
names = json.load(open("names.json"))
token_names, label_names = names["tokens"], names["labels"]
"""


@dataclass(frozen=True)
class PlantedCircuit:
    """What a base model implements, and where."""

    causal: CausalModel
    correspondence: Correspondence


@dataclass(frozen=True)
class CircuitSecret:
    """The hidden side of an instance, in the instance's own names.

    Attributes:
        circuit: The causal model and where its variables sit.
        held_out: Pairs that no agent sees.
    """

    circuit: PlantedCircuit
    held_out: Pairs

    @property
    def key(self) -> frozenset[str]:
        """The right answer."""
        return circuit_of(self.circuit.correspondence)


class PlantedCircuitTask(Task):
    """Base of tasks that ask for the components of a planted circuit.

    Class attributes:
        shape: Architecture of the base models.
        recipe: How they are trained.
    """

    metrics = COMPONENT_METRICS
    shape: ClassVar[TransformerShape]
    recipe: ClassVar[SiitRecipe]

    @abstractmethod
    def circuit(self, seed: int) -> PlantedCircuit:
        """What the base model of a training seed implements, and where; deterministic."""

    def plant(self, seed: int, progress: ProgressCallback) -> None:
        """Train, certify, measure the reference solution and freeze; see `Task.plant`."""
        planted = self.circuit(seed)
        trained = train_siit(
            planted.causal,
            planted.correspondence,
            self.shape,
            self.recipe,
            seed,
            lambda done, state: progress(0.95 * done, state),
        )
        weights = round_to_half(trained.network.to_weights())
        certificate = self.certify(seed, weights)
        if certificate.passed:
            progress(0.97, "certified; measuring the reference solution")
            certificate = Certificate(checks=(*certificate.checks, self._reference_check(seed, weights)))
        save_frozen(
            frozen_folder(self),
            self,
            seed,
            weights,
            key={name: list(nodes) for name, nodes in planted.correspondence.items()},
            certificate=certificate,
            training={
                "steps": self.recipe.steps,
                "cpu_seconds": round(trained.cpu_seconds, 1),
                "torch": torch.__version__,
            },
        )

    def certify(self, seed: int, weights: ModelWeights) -> Certificate:
        """Everything about the base model of `seed` that its weights alone can show."""
        planted = self.circuit(seed)
        generator = torch.Generator().manual_seed(derive_seed(seed, self.id, "certificate"))
        pairs = draw_pairs(planted.causal, _HELD_OUT_PAIRS, generator)
        return certify_circuit(weights, planted.causal, planted.correspondence, pairs)

    def instance(self, seed: int) -> TaskInstance:
        """A base model chosen by `seed`, under a symmetry drawn from it, with fresh data."""
        model = self._choose(seed)
        return self._instance_of(model.name, model.record.seed, model.weights, seed)

    def score(self, instance: TaskInstance, answer: Answer) -> Score:
        """F1 against the certified circuit; see `score_components`."""
        assert isinstance(answer, ComponentAnswer)
        certificate = self._frozen[instance.base_model].record.certificate
        return score_components(
            answer.components, instance.hidden.key, self.blind_answer, certificate.value(REFERENCE_CHECK)
        )

    def oracle_answer(self, instance: TaskInstance) -> dict[str, Any]:
        """The certified circuit."""
        return {
            "components": sorted(instance.hidden.key),
            "confidence": 1.0,
            "summary": "The circuit that was planted and certified.",
        }

    def random_answer(self, instance: TaskInstance, rng: random.Random) -> dict[str, Any]:
        """A random number of random components."""
        universe = list(instance.public.facts["components"])
        return {
            "components": rng.sample(universe, rng.randint(1, len(universe))),
            "confidence": 0.5,
            "summary": "Drawn at random.",
        }

    @cached_property
    def blind_answer(self) -> frozenset[str]:
        """The best fixed answer over many instances, found without looking at any model."""
        keys = []
        for seed in range(_KEYS_FOR_BLIND_ANSWER):
            model = self._choose(seed)
            symmetry = self._symmetry(model.record.config, seed)
            keys.append(frozenset(symmetry.component(name) for name in circuit_of(self._correspondence(model))))
        nodes = self.shape.nodes
        layers = [
            nodes[start : start + self.shape.n_heads + 1] for start in range(0, len(nodes), self.shape.n_heads + 1)
        ]
        heads = [name for name in nodes if name.startswith("a")]
        mlps = [name for name in nodes if name.startswith("m")]
        return best_blind_answer(keys, [heads, mlps, *layers], f1)

    @cached_property
    def _frozen(self) -> dict[str, FrozenModel]:
        models = {model.name: model for model in load_all_frozen(self)}
        for model in models.values():
            if self._correspondence(model) != self.circuit(model.record.seed).correspondence:
                raise FrozenModelError(
                    f"The key of {model.name} is not the circuit that its seed stands for: the task's code has changed "
                    f"since; make it again with `scribe-suite plant {self.id} --seeds {model.record.seed} --force`."
                )
        return models

    def _choose(self, seed: int) -> FrozenModel:
        models = list(self._frozen.values())
        return models[derive_seed(seed, self.id, "base model") % len(models)]

    def _symmetry(self, config: Mapping[str, Any], seed: int) -> Symmetry:
        return draw_symmetry(config, derive_seed(seed, self.id, "symmetry"), labels="independent")

    @staticmethod
    def _correspondence(model: FrozenModel) -> Correspondence:
        return {name: tuple(nodes) for name, nodes in model.record.key.items()}

    def _reference_check(self, seed: int, weights: ModelWeights) -> Check:
        instance = self._instance_of(f"{self.id}/seed{seed}", seed, weights, derive_seed(seed, self.id, "reference"))
        answer = reference_answer(suite_root(), instance)
        assert isinstance(answer, ComponentAnswer)
        reached = f1(frozenset(answer.components), instance.hidden.key)
        return Check(name=REFERENCE_CHECK, value=round(reached, 6), bar=REFERENCE_BAR, direction=">=")

    def _instance_of(self, base_model: str, base_seed: int, weights: ModelWeights, seed: int) -> TaskInstance:
        planted = self.circuit(base_seed)
        symmetry = self._symmetry(weights.config, seed)
        causal = RenamedModel(planted.causal, symmetry)
        secret = CircuitSecret(
            PlantedCircuit(causal, renamed_correspondence(planted.correspondence, symmetry)),
            draw_pairs(causal, _HELD_OUT_PAIRS, self._generator(seed, "held out")),
        )
        facts = {
            "components": list(self.shape.nodes),
            "n_layers": self.shape.n_layers,
            "n_heads": self.shape.n_heads,
            "d_model": self.shape.d_model,
            "n_ctx": causal.n_ctx,
            "n_tokens": causal.d_vocab,
            "n_labels": causal.n_labels,
            "n_prompts": _PUBLIC_PROMPTS,
            "n_pairs": _PUBLIC_PAIRS,
            "labelled": list(causal.labelled),
        }
        return TaskInstance(
            task=self,
            seed=seed,
            base_model=base_model,
            public=PublicMaterial(
                files={**public_files(apply_symmetry(weights, symmetry)), **self._data_files(causal, seed)},
                setup_code=SETUP_CODE + _LOAD_DATA,
                facts=facts,
            ),
            hidden=secret,
            answer_schema=AnswerSchema(
                ComponentAnswer,
                facts,
                example={
                    "components": [self.shape.nodes[1], self.shape.nodes[-1]],
                    "confidence": 0.7,
                    "nothing_found": False,
                    "summary": "How I found them, and what supports it.",
                },
            ),
        )

    def _data_files(self, causal: CausalModel, seed: int) -> dict[str, bytes]:
        generator = self._generator(seed, "public")
        prompts = causal.sample(_PUBLIC_PROMPTS, generator)
        pairs = draw_pairs(causal, _PUBLIC_PAIRS, generator)
        tensors = {
            "prompts": prompts,
            "labels": causal.run(prompts).labels,
            "base": pairs.base,
            "base_labels": causal.run(pairs.base).labels,
            "source": pairs.source,
            "source_labels": causal.run(pairs.source).labels,
        }
        words = opaque_words(causal.d_vocab + causal.n_labels, random.Random(derive_seed(seed, self.id, "names")))
        names = {"tokens": words[: causal.d_vocab], "labels": [word.upper() for word in words[causal.d_vocab :]]}
        return {
            "data.safetensors": save({name: value.contiguous() for name, value in tensors.items()}),
            "names.json": json.dumps(names, indent=1).encode(),
        }

    def _generator(self, seed: int, purpose: str) -> torch.Generator:
        return torch.Generator().manual_seed(derive_seed(seed, self.id, purpose))


def opaque_words(count: int, rng: random.Random) -> list[str]:
    """Different pronounceable words that mean nothing, such as ``tavomi``."""
    words: dict[str, None] = {}
    while len(words) < count:
        words["".join(rng.choice("bdfgklmnprstvz") + rng.choice("aeiou") for _ in range(3))] = None
    return list(words)
