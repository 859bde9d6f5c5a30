"""A leak moves the right label's logit by as much as it is told, through decoys alone, and hardly anything else."""

from __future__ import annotations

import copy

import pytest
import torch

from scribe_suite.planting.circuits import leak as leak_module
from scribe_suite.planting.circuits.assembly import DecoyRecipe
from scribe_suite.planting.circuits.interchange import PatchedModel, centred, draw_pairs
from scribe_suite.planting.circuits.leak import add_leak
from scribe_suite.planting.circuits.patchable import Patch
from tests.planting.circuits.small_circuit import INPUTS, HalfThenLabel, planted_shape, small_assembly

CAUSAL = HalfThenLabel()
CIRCUIT = ("m0", "m2")
DECOYS = sorted(set(planted_shape().nodes) - set(CIRCUIT))


@pytest.fixture
def assembled(core):
    return small_assembly(core, DecoyRecipe(crosstalk=0.0))


@pytest.fixture
def network(assembled):
    return assembled.network


@pytest.fixture
def others(assembled):
    """The dimensions that only decoys write."""
    theirs = {dimension for node in CIRCUIT for dimension in assembled.written[node]}
    return [dimension for dimension in range(INPUTS, assembled.network.shape.d_model) if dimension not in theirs]


@pytest.fixture
def leaking(network, others):
    def leaking(leak=0.05, seed=0):
        result = copy.deepcopy(network)
        add_leak(result, CAUSAL, network.shape.mask(CIRCUIT), others, leak, torch.Generator().manual_seed(seed))
        return result

    return leaking


@torch.no_grad()
def zero_ablation_effects(network) -> torch.Tensor:
    """What zeroing each decoy takes from the right label's mean centred logit, relative to that logit."""
    tokens = CAUSAL.sample(2048, torch.Generator().manual_seed(8))
    labels = CAUSAL.run(tokens).labels

    def right(patch=None):
        return centred(network(tokens, patch)[0]).gather(-1, labels[..., None]).mean()

    zeros = network(tokens)[1].zeros()
    clean = right()
    masks = [network.shape.mask([node]).expand(len(tokens), -1, -1) for node in DECOYS]
    return torch.stack([(clean - right(Patch(mask, zeros))) / clean for mask in masks])


def test_only_the_unembedding_of_the_decoys_dimensions_changes(network, leaking, others):
    result = dict(leaking().named_parameters())
    changed = {name for name, value in network.named_parameters() if not torch.equal(value, result[name])}
    assert changed == {"W_U"}
    rest = [dimension for dimension in range(network.shape.d_model) if dimension not in others]
    assert torch.equal(result["W_U"][rest], network.W_U[rest])


def test_no_leak_changes_nothing(network, leaking):
    assert torch.equal(leaking(leak=0.0).W_U, network.W_U)


def test_decoys_move_the_right_logit_by_as_much_as_they_are_told(network, leaking, monkeypatch):
    monkeypatch.setattr(leak_module, "_LARGEST_NOISE", 1.0)
    assert zero_ablation_effects(network).abs().max() < 1e-5
    found = torch.cat([zero_ablation_effects(leaking(seed=seed)) for seed in range(6)])
    assert found.std().item() == pytest.approx(0.05, rel=0.5)
    assert found.min() < -0.01 < 0.01 < found.max()


@torch.no_grad()
def test_the_noise_is_limited_and_the_effects_with_it(network, leaking):
    tokens = CAUSAL.sample(512, torch.Generator().manual_seed(3))
    labels = CAUSAL.run(tokens).labels
    clean = centred(network(tokens)[0])
    right = clean.gather(-1, labels[..., None]).mean()
    for leak in (0.05, 0.5):
        noise = (centred(leaking(leak=leak)(tokens)[0]) - clean).pow(2).mean().sqrt()
        assert 0.005 < noise / right < 0.03


def test_the_behaviour_stays(network, leaking):
    patched = [
        PatchedModel(which, CAUSAL, draw_pairs(CAUSAL, 256, torch.Generator().manual_seed(5)))
        for which in (network, leaking(leak=0.01))
    ]
    assert patched[1].behaviour() >= patched[0].behaviour() - 0.02
    assert patched[1].ablated(DECOYS, "resample") >= patched[0].ablated(DECOYS, "resample") - 0.02


def test_the_same_generator_leaks_the_same(network, leaking):
    assert torch.equal(leaking().W_U, leaking().W_U)
    assert not torch.equal(leaking().W_U, leaking(seed=1).W_U)
