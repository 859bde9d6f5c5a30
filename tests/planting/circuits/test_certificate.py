"""A certificate holds for the circuit that was planted, and for no other claim about the same weights."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import one_hot

from scribe_suite.planting.circuits.causal import (
    CausalModel,
    CausalRun,
    RenamedModel,
    intervened,
    renamed_correspondence,
)
from scribe_suite.planting.circuits.certificate import certify_circuit
from scribe_suite.planting.circuits.interchange import ABLATIONS, draw_pairs
from scribe_suite.planting.circuits.patchable import PatchableTransformer
from scribe_suite.planting.hooked import ModelWeights
from scribe_suite.planting.symmetries import apply_symmetry, draw_symmetry
from tests.planting.circuits.small_circuit import CORRESPONDENCE, HalfThenLabel, planted_shape
from tests.scoring.hand_made import Wire, different_pairs, wired

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
            for node in ("a0.h0", "a0.h1", "a1.h0", "a1.h1", "m1", "a2.h0", "a2.h1", "all")
        ),
        "effect/resample/m0",
        "effect/resample/m2",
    }


def test_an_untrained_network_is_not():
    assert "behaviour" in failed(certificate(PatchableTransformer(planted_shape(), 5).to_weights()))


def test_swapped_variables_fail_their_interchange(planted):
    swapped = {"half": ("m2",), "out": ("m0",)}
    assert {"iia_changed/half", "iia_changed/out"} <= failed(certificate(planted.to_weights(), swapped))


def test_a_claim_that_leaves_a_node_out_fails_strictness(planted):
    result = failed(certificate(planted.to_weights(), {"half": ("a0.h0",), "out": ("m2",)}))
    assert {"strict/resample/m0", "strict/resample/all", "effect/resample/a0.h0"} <= result


def test_a_claim_with_an_idle_node_fails_its_effect(planted):
    result = certificate(planted.to_weights(), {"half": ("m0", "a0.h1"), "out": ("m2",)})
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


class Vote(CausalModel):
    """Three copies of the last of two tokens; the majority is the label, so that no single copy matters."""

    variables = ("x", "y", "z")
    joint = (("x", "y", "z"),)
    d_vocab = n_labels = 3
    n_ctx = 2
    labelled = (1,)

    def run(self, tokens, interventions=None):
        copies = {name: intervened(name, tokens[:, 1], interventions) for name in self.variables}
        votes = sum(one_hot(value, 3) for value in copies.values())
        return CausalRun(copies, votes.argmax(-1)[:, None])


def vote_certificate(network):
    places = {"x": ("m0",), "y": ("m1",), "z": ("m2",)}
    return certify_circuit(network.to_weights(), Vote(), places, different_pairs())


def test_redundant_nodes_are_certified_one_by_one_as_idle_and_together_as_needed():
    result = vote_certificate(wired(*(Wire(layer) for layer in range(3))))
    assert result.failures() == []
    names = {check.name for check in result.checks}
    assert {f"redundant/{ablation}/m{i}" for ablation in ABLATIONS for i in range(3)} <= names
    assert {"iia/x", "iia/x+y+z", "iia_changed/x+y+z", "effect/resample/x+y+z"} <= names
    # one copy changes no label, so there is no accuracy on changed labels and no effect of its own to claim
    assert not {"iia_changed/x", "effect/resample/m0"} & names
    assert result.value("effect/resample/x+y+z") == 1.0


def test_a_node_that_suffices_alone_is_not_redundant():
    result = failed(vote_certificate(wired(Wire(1))))
    assert {"redundant/resample/m1", "redundant/mean/m1"} <= result
    assert not {"redundant/resample/m0", "effect/resample/x+y+z"} & result


class Scaled(Vote):
    """Logits that a network of three copies has: ``scale`` for every vote."""

    def __init__(self, scale):
        self._scale = scale

    def run(self, tokens, interventions=None):
        result = super().run(tokens, interventions)
        votes = sum(one_hot(value, 3) for value in result.values.values())
        return CausalRun(result.values, result.labels, self._scale * votes[:, None].float())


@pytest.mark.parametrize(("scale", "holds"), [(1.0, True), (2.0, False)])
def test_prescribed_logits_are_certified(scale, holds):
    network = wired(*(Wire(layer) for layer in range(3)))
    places = {"x": ("m0",), "y": ("m1",), "z": ("m2",)}
    result = certify_circuit(network.to_weights(), Scaled(scale), places, different_pairs())
    assert {"logits", "logits/x", "logits/x+y+z"} <= {check.name for check in result.checks}
    assert ({"logits", "logits/x", "logits/x+y+z"} <= failed(result)) is not holds
    if holds:
        assert result.value("logits") == pytest.approx(0.0, abs=1e-6)
