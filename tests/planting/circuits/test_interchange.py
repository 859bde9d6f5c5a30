"""Measurements by patching agree with the same measurement through TransformerLens' hooks."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import one_hot

from scribe_suite.planting.circuits.causal import CausalRun
from scribe_suite.planting.circuits.interchange import Pairs, PatchedModel, draw_pairs
from scribe_suite.planting.hooked import build_model
from tests.planting.circuits.small_circuit import CORRESPONDENCE, HalfThenLabel
from tests.scoring.hand_made import HEADS, MLPS, LastToken, Wire, different_pairs, wired

CAUSAL = HalfThenLabel()


@pytest.fixture(scope="module")
def pairs():
    return draw_pairs(CAUSAL, 200, torch.Generator().manual_seed(4))


@pytest.mark.parametrize("ablation", ["resample", "mean", "zero"])
@torch.no_grad()
def test_ablations_agree_with_hooks(planted, pairs, ablation):
    hooked = build_model(planted.to_weights())
    name = "blocks.0.hook_mlp_out"
    _, clean = hooked.run_with_cache(pairs.base)
    _, other = hooked.run_with_cache(pairs.source)
    replacement = {
        "resample": other[name],
        "mean": clean[name].mean(0, keepdim=True).expand_as(clean[name]),
        "zero": torch.zeros_like(clean[name]),
    }[ablation]
    logits = hooked.run_with_hooks(pairs.base, fwd_hooks=[(name, lambda *_, **__: replacement)])
    expected = (logits.argmax(-1) == CAUSAL.run(pairs.base).labels).float().mean().item()
    assert PatchedModel(planted, CAUSAL, pairs).ablated(["m0"], ablation) == pytest.approx(expected, abs=1e-6)
    assert expected < 0.9


def test_interchange_accuracy_is_high_where_the_variable_sits_and_low_elsewhere(planted, pairs):
    patched = PatchedModel(planted, CAUSAL, pairs)
    there = patched.interchange(["half"], CORRESPONDENCE)
    assert min(there.accuracy, there.accuracy_where_changed) >= 0.98
    elsewhere = patched.interchange(["half"], {"half": ("a1.h0",), "out": ("m2",)})
    assert elsewhere.accuracy_where_changed < 0.1 < elsewhere.accuracy
    assert elsewhere.share_changed == there.share_changed == pytest.approx(1 - elsewhere.accuracy, abs=0.05)


def test_variables_are_interchanged_together(planted, pairs):
    patched = PatchedModel(planted, CAUSAL, pairs)
    both = patched.interchange(["half", "out"], CORRESPONDENCE)
    # the later variable decides: half's value no longer reaches the label
    assert both.share_changed == patched.interchange(["out"], CORRESPONDENCE).share_changed
    assert both.accuracy_where_changed >= 0.98


def test_an_intervention_that_changes_no_label_has_no_accuracy_where_changed(planted, pairs):
    same = Pairs(pairs.base, pairs.base)
    result = PatchedModel(planted, CAUSAL, same).interchange(["half"], CORRESPONDENCE)
    assert (result.accuracy_where_changed, result.share_changed) == (None, 0.0)
    assert result.accuracy >= 0.99


def test_the_effect_of_a_node_is_the_accuracy_its_resampling_costs(planted, pairs):
    patched = PatchedModel(planted, CAUSAL, pairs)
    assert not patched.prescribes_logits
    assert patched.effect(["m0"]) == pytest.approx(patched.behaviour() - patched.ablated(["m0"], "resample"))
    assert patched.effect(["m0"]) > 0.3
    assert patched.effect(["a1.h0"]) == pytest.approx(0.0, abs=0.01)
    assert patched.logit_error() == 0.0


class Prescribed(HalfThenLabel):
    """The same labels, and logits that the planted network does not have."""

    def run(self, tokens, interventions=None):
        result = super().run(tokens, interventions)
        return CausalRun(result.values, result.labels, 2.0 * one_hot(result.labels, 3).float())


@torch.no_grad()
def test_logits_are_compared_up_to_a_constant(planted, pairs):
    patched = PatchedModel(planted, Prescribed(), pairs)
    found = planted(pairs.base)[0]
    wanted = Prescribed().run(pairs.base).logits
    expected = ((found - found.mean(-1, keepdim=True)) - (wanted - wanted.mean(-1, keepdim=True))).abs().mean().item()
    assert patched.logit_error() == pytest.approx(expected, rel=1e-4)
    assert expected > 0.1
    planted.b_U.add_(7.0)
    try:
        assert PatchedModel(planted, Prescribed(), pairs).logit_error() == pytest.approx(expected, rel=1e-4)
    finally:
        planted.b_U.sub_(7.0)


@torch.no_grad()
def test_where_logits_are_prescribed_their_change_is_an_effect_too(planted, pairs):
    patched = PatchedModel(planted, Prescribed(), pairs)
    lost = patched.behaviour() - patched.ablated(["a1.h0"], "resample")
    assert lost == pytest.approx(0.0, abs=0.01)
    assert patched.effect(["m2"]) > 1.0 > patched.effect(["a1.h0"]) > lost
    assert patched.effect([]) == pytest.approx(0.0, abs=1e-6)


def test_an_unlabelled_position_does_not_count():
    # the first token's label would be right as well; only base pairs that differ in it can tell
    pairs = different_pairs()
    source = pairs.source.clone()
    source[:, 0] = pairs.base[:, 0]
    patched = PatchedModel(wired(Wire(layer=1)), LastToken(), Pairs(pairs.base, source))
    assert patched.ablated([*HEADS, *MLPS], "resample") == 0.0
