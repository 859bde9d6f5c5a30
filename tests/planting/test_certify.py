"""A certificate holds for the circuit that was planted, and for no other claim about the same weights."""

from __future__ import annotations

import pytest
import torch

from scribe_suite.planting.causal import RenamedModel, renamed_correspondence
from scribe_suite.planting.certify import certify_circuit
from scribe_suite.planting.hooked import ModelWeights
from scribe_suite.planting.interchange import draw_pairs
from scribe_suite.planting.patchable import PatchableTransformer
from scribe_suite.planting.symmetries import apply_symmetry, draw_symmetry
from tests.planting.small_circuit import CORRESPONDENCE, HalfThenLabel, small_shape

CAUSAL = HalfThenLabel()


def certificate(weights, correspondence=CORRESPONDENCE, causal=CAUSAL):
    return certify_circuit(weights, causal, correspondence, draw_pairs(causal, 256, torch.Generator().manual_seed(9)))


def failed(result):
    return {check.name for check in result.checks if not check.passed}


def test_the_planted_circuit_is_certified(planted):
    result = certificate(planted.to_weights())
    assert result.failures() == []
    assert {check.name for check in result.checks} == {
        "behaviour",
        *(f"{kind}/{variable}" for kind in ("iia", "iia_changed") for variable in ("half", "out")),
        *(
            f"strict/{ablation}/{node}"
            for ablation in ("resample", "mean", "zero")
            for node in ("a0.h0", "a0.h1", "a1.h0", "a1.h1", "all")
        ),
        "effect/resample/m0",
        "effect/resample/m1",
    }


def test_an_untrained_network_is_not(planted):
    assert "behaviour" in failed(certificate(PatchableTransformer(small_shape(), 5).to_weights()))


def test_swapped_variables_fail_their_interchange(planted):
    swapped = {"half": ("m1",), "out": ("m0",)}
    assert {"iia_changed/half", "iia_changed/out"} <= failed(certificate(planted.to_weights(), swapped))


def test_a_claim_that_leaves_a_node_out_fails_strictness(planted):
    result = failed(certificate(planted.to_weights(), {"half": ("a0.h0",), "out": ("m1",)}))
    assert {"strict/resample/m0", "strict/resample/all", "effect/resample/a0.h0"} <= result


def test_a_claim_with_an_idle_node_fails_its_effect(planted):
    result = certificate(planted.to_weights(), {"half": ("m0", "a0.h1"), "out": ("m1",)})
    assert failed(result) == {"effect/resample/a0.h1"}


def test_a_damaged_circuit_fails(planted):
    weights = planted.to_weights()
    state = {**weights.state, "blocks.0.mlp.W_out": torch.zeros_like(weights.state["blocks.0.mlp.W_out"])}
    assert {"behaviour", "iia_changed/half", "effect/resample/m0"} <= failed(
        certificate(ModelWeights(weights.config, state))
    )


@pytest.mark.parametrize("seed", range(3))
def test_the_certificate_survives_a_symmetry(planted, seed):
    weights = planted.to_weights()
    symmetry = draw_symmetry(weights.config, seed)
    renamed = RenamedModel(CAUSAL, symmetry)
    moved = renamed_correspondence(CORRESPONDENCE, symmetry)
    assert certificate(apply_symmetry(weights, symmetry), moved, renamed).failures() == []


def test_the_old_causal_model_does_not_fit_a_renamed_network(planted):
    weights = planted.to_weights()
    assert "behaviour" in failed(certificate(apply_symmetry(weights, draw_symmetry(weights.config, 0))))
