"""What all tasks with a planted circuit share: planting, certificate, fresh instances, scoring.

A task adds a plan per training seed (causal model, nodes, architecture, recipe), a prompt and a reference solution.
"""

from __future__ import annotations

import json
import random
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import torch
from safetensors.torch import save

from ground_truth.circuits.planted.public import opaque_words, setup_code
from scribe_suite.errors import FrozenModelError
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
from scribe_suite.planting.circuits.patchable import PatchableTransformer, TransformerShape
from scribe_suite.planting.circuits.plant_circuit import CircuitPlan, plant_circuit
from scribe_suite.planting.frozen import (
    Certificate,
    Check,
    FrozenModel,
    frozen_folder,
    load_all_frozen,
    save_frozen,
)
from scribe_suite.planting.hooked import ModelWeights, public_files
from scribe_suite.planting.reference import reference_answer
from scribe_suite.planting.symmetries import Symmetry, apply_symmetry, draw_symmetry
from scribe_suite.progress import ProgressCallback
from scribe_suite.scoring.faithfulness import FaithfulnessMeter
from scribe_suite.scoring.normalise import best_blind_answer, expected_score
from scribe_suite.scoring.sets import CIRCUIT_METRICS, f1, score_components
from scribe_suite.seeds import derive_seed
from scribe_suite.tasks.answers import Answer, AnswerSchema, ComponentAnswer
from scribe_suite.tasks.task import PlantedTask, PublicMaterial, Score, TaskInstance

REFERENCE_CHECK = "reference/primary"
REFERENCE_BAR = 0.9

_PUBLIC_PROMPTS = 2000
_PUBLIC_PAIRS = 1000
_HELD_OUT_PAIRS = 512
_CERTIFICATE_PAIRS = 1024
_KEYS_FOR_BLIND_ANSWER = 200


@dataclass(frozen=True)
class CircuitSecret:
    """The hidden side of an instance, in the instance's own names.

    Attributes:
        causal: What the model computes.
        correspondence: Where.
        weights: The model.
        held_out: Pairs that no agent sees.
    """

    causal: CausalModel
    correspondence: Correspondence
    weights: ModelWeights
    held_out: Pairs

    @property
    def circuit(self) -> frozenset[str]:
        """All nodes that carry a variable."""
        return circuit_of(self.correspondence)

    @cached_property
    def meter(self) -> FaithfulnessMeter:
        """Measures what answers do to the behaviour."""
        return FaithfulnessMeter(PatchableTransformer.from_weights(self.weights), self.causal, self.held_out)


class PlantedCircuitTask(PlantedTask):
    """Base of tasks that ask for the components of a planted circuit."""

    metrics: ClassVar[tuple[str, ...]] = CIRCUIT_METRICS
    public_pairs: ClassVar[bool] = True
    """Whether agents get labels and counterfactual pairs."""

    @abstractmethod
    def plan(self, seed: int) -> CircuitPlan:
        """What the base model of a training seed implements, where and how it is trained; deterministic."""

    def words(self, causal: CausalModel, rng: random.Random) -> tuple[list[str], list[str]]:
        """Names of the original token ids and labels, drawn for one instance; words without a meaning by default."""
        drawn = opaque_words(causal.d_vocab + causal.n_labels, rng)
        return drawn[: causal.d_vocab], [word.upper() for word in drawn[causal.d_vocab :]]

    def key(self, secret: CircuitSecret) -> frozenset[str]:
        """The right answer; all nodes of the circuit by default."""
        return secret.circuit

    def plant(self, seed: int, progress: ProgressCallback) -> None:
        """Train, certify, measure the reference solution and freeze; see `Task.plant`."""
        plan = self.plan(seed)
        planted = plant_circuit(
            plan, derive_seed(seed, self.id, "planting"), lambda weights: self.certify(seed, weights), progress
        )
        certificate = planted.certificate
        if certificate.passed:
            progress(0.97, "certified; measuring the reference solution")
            certificate = Certificate(checks=(*certificate.checks, self._reference_check(seed, planted.weights)))
        save_frozen(
            frozen_folder(self),
            self,
            seed,
            planted.weights,
            key=_frozen_key(plan),
            certificate=certificate,
            training={
                "steps": plan.recipe.steps,
                "hardening_steps": plan.recipe.hardening_steps,
                "failed_attempts": list(planted.failures),
                "cpu_seconds": round(planted.cpu_seconds, 1),
                "torch": torch.__version__,
            },
        )

    def certify(self, seed: int, weights: ModelWeights) -> Certificate:
        """Everything about the base model of `seed` that its weights alone can show."""
        plan = self.plan(seed)
        general = certify_circuit(weights, plan.causal, plan.correspondence, self._certificate_pairs(seed, plan.causal))
        return Certificate(checks=(*general.checks, *self.further_checks(seed, weights)))

    def further_checks(self, seed: int, weights: ModelWeights) -> Sequence[Check]:  # noqa: ARG002  # for subclasses
        """What the key of this task claims besides; nothing by default."""
        return ()

    def hidden_pairs(self, causal: CausalModel, n: int, generator: torch.Generator) -> Pairs:
        """Pairs on which an answer's faithfulness is measured: of the behaviour that is asked for."""
        return draw_pairs(causal, n, generator)

    def instance(self, seed: int) -> TaskInstance:
        """A base model chosen by `seed`, under a symmetry drawn from it, with fresh data."""
        model = self._choose(seed)
        return self._instance_of(model.name, model.record.seed, model.weights, seed)

    def score(self, instance: TaskInstance, answer: Answer) -> Score:
        """F1 against the certified circuit, and what the submitted nodes do to the behaviour."""
        assert isinstance(answer, ComponentAnswer)
        measured = instance.hidden.meter.measure(answer.components)
        reference = self.reference_score(instance)
        return score_components(answer.components, self.key(instance.hidden), self.chance, reference, measured)

    def oracle_answer(self, instance: TaskInstance) -> dict[str, Any]:
        """The certified circuit."""
        return {
            "components": sorted(self.key(instance.hidden)),
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
        nodes = sorted({node for shape in self._shapes for node in shape.nodes})
        layers: dict[str, list[str]] = {}
        for node in nodes:
            layers.setdefault(node[1:].split(".")[0], []).append(node)
        heads, mlps = ([node for node in nodes if node[0] == kind] for kind in "am")
        return best_blind_answer(self._keys, [heads, mlps, *layers.values()], f1)

    @cached_property
    def chance(self) -> float:
        """Expected F1 of `blind_answer`."""
        return expected_score(self.blind_answer, self._keys, f1)

    def reference_score(self, instance: TaskInstance) -> float:
        """What the reference solution reached on this instance's base model when it was frozen."""
        return self._frozen[instance.base_model].record.certificate.value(REFERENCE_CHECK)

    @cached_property
    def _keys(self) -> list[frozenset[str]]:
        """Keys of many instances, made from the frozen keys and symmetries alone."""
        keys = []
        for seed in range(_KEYS_FOR_BLIND_ANSWER):
            model = self._choose(seed)
            symmetry = self._symmetry(model.record.config, seed)
            secret = CircuitSecret(
                RenamedModel(self.plan(model.record.seed).causal, symmetry),
                renamed_correspondence(_frozen_correspondence(model), symmetry),
                model.weights,
                _NO_PAIRS,
            )
            keys.append(self.key(secret))
        return keys

    @cached_property
    def _shapes(self) -> list[TransformerShape]:
        return [TransformerShape.of_config(model.record.config) for model in self._frozen.values()]

    @cached_property
    def _frozen(self) -> dict[str, FrozenModel]:
        models = {model.name: model for model in load_all_frozen(self)}
        for model in models.values():
            if model.record.key != _frozen_key(self.plan(model.record.seed)):
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

    def _certificate_pairs(self, seed: int, causal: CausalModel) -> Pairs:
        return draw_pairs(causal, _CERTIFICATE_PAIRS, self._generator(seed, "certificate"))

    def _reference_check(self, seed: int, weights: ModelWeights) -> Check:
        instance = self._instance_of(f"{self.id}/seed{seed}", seed, weights, derive_seed(seed, self.id, "reference"))
        reached = self.primary_score(instance, reference_answer(suite_root(), instance))
        return Check(name=REFERENCE_CHECK, value=round(reached, 6), bar=REFERENCE_BAR, direction=">=")

    def primary_score(self, instance: TaskInstance, answer: Answer) -> float:
        """The primary metric alone, which needs no frozen reference."""
        assert isinstance(answer, ComponentAnswer)
        return f1(frozenset(answer.components), self.key(instance.hidden))

    def _instance_of(self, base_model: str, base_seed: int, weights: ModelWeights, seed: int) -> TaskInstance:
        plan = self.plan(base_seed)
        symmetry = self._symmetry(weights.config, seed)
        moved = apply_symmetry(weights, symmetry)
        causal = RenamedModel(plan.causal, symmetry)
        secret = CircuitSecret(
            causal,
            renamed_correspondence(plan.correspondence, symmetry),
            moved,
            self.hidden_pairs(causal, _HELD_OUT_PAIRS, self._generator(seed, "held out")),
        )
        token_names, label_names = self._names(plan.causal, symmetry, seed)
        names = {"tokens": token_names, "labels": label_names, "groups": causal.groups}
        data = self.public_data(causal, self._generator(seed, "public"))
        facts = self.facts(plan, secret, data, token_names, label_names)
        return TaskInstance(
            task=self,
            seed=seed,
            base_model=base_model,
            public=PublicMaterial(
                files={
                    **public_files(moved),
                    "data.safetensors": save({name: value.contiguous() for name, value in data.items()}),
                    "names.json": json.dumps(names, indent=1).encode(),
                },
                setup_code=setup_code(causal, data, pairs=self.public_pairs),
                facts=facts,
            ),
            hidden=secret,
            answer_schema=self.answer_schema(facts),
        )

    def answer_schema(self, facts: Mapping[str, Any]) -> AnswerSchema:
        """What a submission must look like; a set of components by default."""
        universe = facts["components"]
        return AnswerSchema(
            ComponentAnswer,
            facts,
            example={
                "components": [universe[1], universe[-1]],
                "confidence": 0.7,
                "nothing_found": False,
                "summary": "How I found them, and what supports it.",
            },
        )

    def facts(
        self,
        plan: CircuitPlan,
        secret: CircuitSecret,
        data: Mapping[str, torch.Tensor],
        token_names: Sequence[str],
        label_names: Sequence[str],
    ) -> dict[str, Any]:
        """What the prompt template may show."""
        shape, causal = plan.shape, secret.causal
        shown = data["prompts"][:_SHOWN]
        labels = causal.run(shown).labels
        return {
            "components": list(shape.nodes),
            "n_layers": shape.n_layers,
            "n_heads": shape.n_heads,
            "d_model": shape.d_model,
            "normalization": shape.normalization,
            "n_ctx": causal.n_ctx,
            "n_tokens": causal.d_vocab,
            "n_labels": causal.n_labels,
            "n_prompts": _PUBLIC_PROMPTS,
            "n_pairs": _PUBLIC_PAIRS,
            "labelled": list(causal.labelled),
            "examples": [
                {
                    "prompt": " ".join(token_names[token] for token in prompt),
                    **({"labels": [label_names[label] for label in row]} if self.public_pairs else {}),
                }
                for prompt, row in zip(shown.tolist(), labels.tolist(), strict=True)
            ],
        }

    def _names(self, causal: CausalModel, symmetry: Symmetry, seed: int) -> tuple[list[str], list[str]]:
        tokens, labels = self.words(causal, random.Random(derive_seed(seed, self.id, "names")))
        old_tokens, old_labels = (torch.tensor(order).argsort() for order in (symmetry.token_map, symmetry.label_map))
        return [tokens[old] for old in old_tokens], [labels[old] for old in old_labels]

    def public_data(self, causal: CausalModel, generator: torch.Generator) -> dict[str, torch.Tensor]:
        """The tensors an agent is given, by the names they get in its notebook."""
        prompts = causal.sample(_PUBLIC_PROMPTS, generator)
        if not self.public_pairs:
            return {"prompts": prompts}
        pairs = draw_pairs(causal, _PUBLIC_PAIRS, generator)
        return {
            "prompts": prompts,
            "labels": causal.run(prompts).labels,
            "base": pairs.base,
            "base_labels": causal.run(pairs.base).labels,
            "source": pairs.source,
            "source_labels": causal.run(pairs.source).labels,
        }

    def _generator(self, seed: int, purpose: str) -> torch.Generator:
        return torch.Generator().manual_seed(derive_seed(seed, self.id, purpose))


_SHOWN = 4
_NO_PAIRS = Pairs(torch.zeros(0, 1, dtype=torch.long), torch.zeros(0, 1, dtype=torch.long))


def _frozen_key(plan: CircuitPlan) -> dict[str, Any]:
    """The truth as it stands beside the weights: where the variables are, and which is computed from which."""
    return {
        "variables": {name: list(nodes) for name, nodes in plan.correspondence.items()},
        "edges": [list(edge) for edge in plan.causal.edges],
    }


def _frozen_correspondence(model: FrozenModel) -> Correspondence:
    return {name: tuple(nodes) for name, nodes in model.record.key["variables"].items()}
