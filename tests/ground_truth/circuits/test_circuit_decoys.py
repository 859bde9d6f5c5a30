"""No size of weights or outputs finds a planted circuit: measured over fresh instances and base models."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import load

from scribe_suite.planting.circuits.causal import circuit_of
from scribe_suite.planting.circuits.patchable import PatchableTransformer
from scribe_suite.planting.hooked import ModelWeights
from studies.degenerate import auroc, node_statistics
from tests.ground_truth.circuits.circuit_models import TASKS, every_task, models_of, weights_of

pytestmark = pytest.mark.slow

FRESH_FOR_NORMS = 60


def aurocs(weights: ModelWeights, prompts: torch.Tensor, circuit: frozenset[str]) -> dict[str, float]:
    statistics = node_statistics(PatchableTransformer.from_weights(weights), prompts)
    return {name: auroc(values, circuit) for name, values in statistics.items()}


def mean_of(found: list[dict[str, float]], name: str) -> float:
    return sum(row[name] for row in found) / len(found)


@every_task
def test_over_fresh_instances_no_size_finds_the_circuit(task_id):
    found = []
    for seed in range(FRESH_FOR_NORMS):
        instance = TASKS[task_id].instance(seed)
        prompts = load(instance.public.files["data.safetensors"])["prompts"]
        found.append(aurocs(weights_of(instance), prompts, circuit_of(instance.hidden.correspondence)))
    assert 0.35 <= mean_of(found, "weight_norm") <= 0.65
    assert mean_of(found, "output_norm") <= 0.75
    assert mean_of(found, "output_variance") <= 0.75


@every_task
def test_over_all_base_models_the_circuit_is_not_louder(task_id):
    found = []
    for model in models_of(task_id):
        plan = TASKS[task_id].plan(model.record.seed)
        prompts = plan.causal.sample(128, torch.Generator().manual_seed(7))
        found.append(aurocs(model.weights, prompts, circuit_of(plan.correspondence)))
    assert mean_of(found, "output_norm") <= 0.75
    assert mean_of(found, "output_variance") <= 0.75
