"""From a plan to certified weights: deterministic, tried again when training fails, never better than it is."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from scribe_suite.planting.circuits import plant_circuit as circuits
from scribe_suite.planting.circuits.causal import RenamedModel, circuit_of, renamed_correspondence
from scribe_suite.planting.circuits.certificate import certify_circuit
from scribe_suite.planting.circuits.interchange import draw_pairs
from scribe_suite.planting.circuits.patchable import PatchableTransformer, TransformerShape
from scribe_suite.planting.circuits.plant_circuit import ATTEMPTS, plant_circuit
from scribe_suite.planting.frozen import Certificate, Check, round_to_half
from scribe_suite.planting.hooked import build_model, public_files
from scribe_suite.planting.symmetries import apply_symmetry, draw_symmetry
from studies.degenerate import node_statistics
from tests.planting.circuits.small_circuit import CORRESPONDENCE, HalfThenLabel, planted_shape, small_plan

CAUSAL = HalfThenLabel()


def pairs(n=128):
    return draw_pairs(CAUSAL, n, torch.Generator().manual_seed(9))


def certified(weights):
    return certify_circuit(weights, CAUSAL, CORRESPONDENCE, pairs())


def plant(plan, seed=0, progress=lambda *_: None):
    return plant_circuit(plan, seed, certified, progress)


BARELY = {"steps": 2}


def test_what_is_planted_is_certified(planted_weights):
    assert planted_weights.certificate.passed
    assert planted_weights.failures == ()
    assert planted_weights.cpu_seconds > 0.0
    again = certify_circuit(planted_weights.weights, CAUSAL, CORRESPONDENCE, pairs())
    assert again.failures() == []


def test_it_has_the_planned_architecture_and_is_rounded_as_it_will_be_frozen(planted_weights):
    weights = planted_weights.weights
    assert TransformerShape.of_config(weights.config) == planted_shape()
    rounded = round_to_half(weights).state
    assert all(torch.equal(value, rounded[name]) for name, value in weights.state.items())


def test_all_nodes_end_with_the_same_weight_norm(planted_weights):
    network = PatchableTransformer.from_weights(planted_weights.weights)
    norms = node_statistics(network, CAUSAL.sample(32, torch.Generator().manual_seed(0)))["weight_norm"].values()
    assert max(norms) < 1.01 * min(norms)


@pytest.mark.parametrize("normalization", [None, pytest.param("LN", marks=pytest.mark.slow)])
def test_the_same_seed_plants_the_same_bytes(normalization):
    plan = small_plan(planted_shape(normalization=normalization), recipe={"steps": 120})

    def bytes_of(seed):
        return public_files(plant(plan, seed).weights)["model.safetensors"]

    assert bytes_of(0) == bytes_of(0)
    assert bytes_of(0) != bytes_of(1)


def test_progress_counts_attempts_and_says_why_the_last_one_failed():
    calls = []
    plant(small_plan(recipe=BARELY), progress=lambda done, state: calls.append((done, state)))
    assert all(0.0 <= done <= 1.0 for done, _ in calls)
    assert not calls[0][1].startswith("attempt")
    assert calls[-1][1].startswith(f"attempt {ATTEMPTS} (the last failed: behaviour 0.")


def test_a_circuit_that_never_learns_comes_back_with_a_failing_certificate():
    result = plant(small_plan(recipe=BARELY))
    assert not result.certificate.passed
    assert len(result.failures) == ATTEMPTS
    assert all(failure.endswith("before decoys") for failure in result.failures[:-1])
    assert result.failures[-1] == "; ".join(result.certificate.failures())


@pytest.mark.slow
def test_attempts_differ_and_the_first_that_holds_is_kept(monkeypatch):
    seeds, real = [], circuits.train_circuit

    def failing_at_first(causal, correspondence, shape, blocks, recipe, seed, progress):
        seeds.append(seed)
        recipe = dataclasses.replace(recipe, steps=2) if len(seeds) < 3 else recipe
        return real(causal, correspondence, shape, blocks, recipe, seed, progress)

    monkeypatch.setattr(circuits, "train_circuit", failing_at_first)
    result = plant(small_plan())
    assert result.certificate.passed
    assert len(seeds) == len(set(seeds)) == 3
    assert len(result.failures) == 2


@pytest.mark.slow
def test_a_model_that_fails_what_a_task_adds_is_tried_again():
    seen = []

    def strange(weights):
        seen.append(weights)
        further = Check(name="further", value=float(len(seen)), bar=2.0, direction=">=")
        return Certificate(checks=(*certified(weights).checks, further))

    result = plant_circuit(small_plan(), 0, strange, lambda *_: None)
    assert result.certificate.passed
    assert len(seen) == 2
    assert [failure.split()[0] for failure in result.failures] == ["further"]


@pytest.mark.slow
def test_layer_norm_models_are_certified_too():
    result = plant(small_plan(planted_shape(normalization="LN")))
    assert result.certificate.failures() == []


def test_decoys_are_not_silent(planted_weights):
    network = PatchableTransformer.from_weights(planted_weights.weights)
    found = node_statistics(network, CAUSAL.sample(64, torch.Generator().manual_seed(0)))
    for name in ("output_norm", "output_variance"):
        circuit = min(found[name][node] for node in circuit_of(CORRESPONDENCE))
        assert all(value > 0.1 * circuit for value in found[name].values()), name


@pytest.mark.parametrize("seed", range(3))
@torch.no_grad()
def test_under_a_symmetry_logits_are_equal_up_to_names_and_the_certificate_holds(planted_weights, seed):
    weights = planted_weights.weights
    symmetry = draw_symmetry(weights.config, seed)
    moved = apply_symmetry(weights, symmetry)
    tokens = CAUSAL.sample(64, torch.Generator().manual_seed(seed))
    wanted = build_model(weights)(tokens)
    found = build_model(moved)(symmetry.tokens(tokens))[..., symmetry.labels(torch.arange(3))]
    assert (found - wanted).abs().max() < 1e-4
    certificate = certify_circuit(
        moved,
        RenamedModel(CAUSAL, symmetry),
        renamed_correspondence(CORRESPONDENCE, symmetry),
        draw_pairs(RenamedModel(CAUSAL, symmetry), 128, torch.Generator().manual_seed(seed)),
    )
    assert certificate.failures() == []
