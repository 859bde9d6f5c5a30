"""Measurements by patching agree with the same measurement through TransformerLens' hooks."""

from __future__ import annotations

import pytest
import torch

from scribe_suite.planting.hooked import build_model
from scribe_suite.planting.interchange import Pairs, PatchedModel, draw_pairs
from tests.planting.small_circuit import CORRESPONDENCE, HalfThenLabel

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
    assert min(patched.interchange("half", CORRESPONDENCE)) >= 0.98
    overall, where_changed = patched.interchange("half", {"half": ("a1.h0",), "out": ("m1",)})
    assert where_changed < 0.1 < overall


def test_an_intervention_that_changes_nothing_is_refused(planted, pairs):
    same = Pairs(pairs.base, pairs.base)
    with pytest.raises(ValueError, match="interchanging 'half' changes no label"):
        PatchedModel(planted, CAUSAL, same).interchange("half", CORRESPONDENCE)
