"""Base models of levels 3 and 4, in which copies of the circuit share the labels (`planting.circuits.sharing`).

They differ from the base models of level 1 only in the unembedding, so nothing is trained: the layout of a model
follows from its plan and seed, and the copies that write each label are drawn.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch

from ground_truth.circuits.planted.base import PlannedTask, key_of_plan
from ground_truth.circuits.planted.draws import generator
from scribe_suite.errors import FrozenModelError
from scribe_suite.planting.circuits.causal import Correspondence
from scribe_suite.planting.circuits.interchange import draw_pairs
from scribe_suite.planting.circuits.patchable import PatchableTransformer
from scribe_suite.planting.circuits.plant_circuit import CircuitPlan, copies_of
from scribe_suite.planting.circuits.sharing import (
    Seen,
    Voice,
    draw_voices,
    faithful_copies,
    shared_unembedding,
    whole_copies,
)
from scribe_suite.planting.circuits.sharing_certificate import certify_sharing
from scribe_suite.planting.frozen import (
    Certificate,
    FrozenModel,
    frozen_folder,
    load_frozen,
    round_to_half,
    save_frozen,
)
from scribe_suite.planting.hooked import ModelWeights
from scribe_suite.progress import ProgressCallback
from scribe_suite.seeds import derive_seed

#: Maximum number of draws of copies and labels for a seed.
ATTEMPTS = 6
_FITTED_PROMPTS = 512
_CERTIFICATE_PAIRS = 1024


def plant_shared(task: PlannedTask, one_circuit: PlannedTask, seed: int, progress: ProgressCallback) -> None:
    """Draw, certify and freeze the shared model of `seed`; deterministic.

    Args:
        task: The task at a level at which copies share the labels.
        one_circuit: The same task at level 1.
        seed: Seed of the frozen model of level 1 from which the shared model is made.
        progress: Called before each attempt.

    Raises:
        FrozenModelError: If that model does not exist, or every attempt fails.
    """
    base, plan = load_frozen(frozen_folder(one_circuit) / f"seed{seed}.json", one_circuit), task.plan(seed)
    failures: list[str] = []
    for attempt in range(ATTEMPTS):
        progress(attempt / ATTEMPTS, f"attempt {attempt + 1}")
        weights, voices = _drawn(task, one_circuit, base, plan, attempt)
        key = _key(plan, voices)
        certificate = certify_shared(task, seed, weights, key)
        if certificate.passed:
            break
        failures.append("; ".join(certificate.failures()))
    training = {"failed_attempts": failures, "torch": torch.__version__}
    save_frozen(frozen_folder(task), task, seed, weights, key, certificate, training, base)


def certify_shared(task: PlannedTask, seed: int, weights: ModelWeights, key: dict[str, Any]) -> Certificate:
    """Check all claims of the key of a shared model, from its weights alone."""
    causal = task.plan(seed).causal
    pairs = draw_pairs(causal, _CERTIFICATE_PAIRS, generator(task.models_id, seed, "certificate"))
    voices = [Voice(voice["nodes"], tuple(voice["labels"])) for voice in key["voices"]]
    correspondence = {name: tuple(nodes) for name, nodes in key["variables"].items()}
    return certify_sharing(weights, causal, correspondence, voices, pairs)


def _drawn(
    task: PlannedTask, one_circuit: PlannedTask, base: FrozenModel, plan: CircuitPlan, attempt: int
) -> tuple[ModelWeights, tuple[Voice, ...]]:
    seed, trained = base.record.seed, len(base.record.training["failed_attempts"]) + 1
    drawn = generator(task.models_id, seed, f"voices {attempt}")
    copies = copies_of(plan, derive_seed(seed, one_circuit.models_id, "planting"), trained)
    answering = [variable for variable, target in plan.causal.edges if target == "output"]
    outputs = {node: plan.sizes[variable] for variable in answering for node in plan.correspondence[variable]}
    network = PatchableTransformer.from_weights(base.weights)
    tokens, positions = plan.causal.sample(_FITTED_PROMPTS, drawn), plan.causal.labelled
    found = faithful_copies(network, whole_copies(copies, list(outputs)), outputs, tokens, positions)
    try:
        voices = draw_voices(found, task.voices, plan.causal.n_labels, drawn)
    except ValueError as error:
        raise FrozenModelError(f"The circuit of {base.name} can't share the labels: {error}.") from error
    unembedding = {"unembed.W_U": shared_unembedding(network, voices, outputs, Seen.of(network, tokens, positions))}
    return round_to_half(replace(base.weights, state={**base.weights.state, **unembedding})), voices


def _key(plan: CircuitPlan, voices: tuple[Voice, ...]) -> dict[str, Any]:
    planned = key_of_plan(plan)
    return {
        "variables": {name: list(nodes) for name, nodes in _correspondence(plan, voices).items()},
        "edges": planned["edges"],
        "voices": [{"nodes": dict(voice.nodes), "labels": list(voice.labels)} for voice in voices],
        "one_circuit": planned,
    }


def _correspondence(plan: CircuitPlan, voices: tuple[Voice, ...]) -> Correspondence:
    """The nodes of the variables in all copies that contribute to labels."""
    return {
        name: tuple(dict.fromkeys(voice.nodes[node] for voice in voices for node in nodes))
        for name, nodes in plan.correspondence.items()
    }
