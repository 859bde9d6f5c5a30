"""A leak moves the right label's logit by as much as it is told, through decoys alone, and hardly anything else."""

from __future__ import annotations

import copy

import pytest
import torch

from scribe_suite.planting.circuits import leak as leak_module
from scribe_suite.planting.circuits.compact import compact, place
from scribe_suite.planting.circuits.decoys import DecoyRecipe, add_decoys
from scribe_suite.planting.circuits.interchange import PatchedModel, centred, draw_pairs
from scribe_suite.planting.circuits.leak import add_leak
from scribe_suite.planting.circuits.patchable import Patch
from tests.planting.circuits.small_circuit import WIDTH, HalfThenLabel, planted_shape

CAUSAL = HalfThenLabel()
CIRCUIT = ("m0", "m2")
DECOYS = sorted(set(planted_shape().nodes) - set(CIRCUIT))


@pytest.fixture
def network(core):
    shape = planted_shape(normalization=core.shape.normalization)
    network = place(core, compact(shape, CIRCUIT, WIDTH), shape)
    tokens = CAUSAL.sample(128, torch.Generator().manual_seed(2))
    recipe = DecoyRecipe(crosstalk=0.0)
    add_decoys(network, shape.mask(CIRCUIT), WIDTH, tokens, recipe, torch.Generator().manual_seed(0))
    return network


def leaking(network, leak=0.05, seed=0):
    result = copy.deepcopy(network)
    add_leak(result, CAUSAL, network.shape.mask(CIRCUIT), WIDTH, leak, torch.Generator().manual_seed(seed))
    return result


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


def test_only_the_unembedding_of_the_decoys_dimensions_changes(network):
    result = dict(leaking(network).named_parameters())
    changed = {name for name, value in network.named_parameters() if not torch.equal(value, result[name])}
    assert changed == {"W_U"}
    assert torch.equal(result["W_U"][:WIDTH], network.W_U[:WIDTH])


def test_no_leak_changes_nothing(network):
    assert torch.equal(leaking(network, leak=0.0).W_U, network.W_U)


def test_decoys_move_the_right_logit_by_as_much_as_they_are_told(network, monkeypatch):
    monkeypatch.setattr(leak_module, "_LARGEST_NOISE", 1.0)
    if network.shape.normalization is not None:
        pytest.skip("through LayerNorm decoys move it anyway")
    assert zero_ablation_effects(network).abs().max() < 1e-5
    found = torch.cat([zero_ablation_effects(leaking(network, seed=seed)) for seed in range(6)])
    assert found.std().item() == pytest.approx(0.05, rel=0.5)
    assert found.min() < -0.01 < 0.01 < found.max()


@torch.no_grad()
def test_the_noise_is_limited_and_the_effects_with_it(network):
    tokens = CAUSAL.sample(512, torch.Generator().manual_seed(3))
    labels = CAUSAL.run(tokens).labels
    clean = centred(network(tokens)[0])
    right = clean.gather(-1, labels[..., None]).mean()
    for leak in (0.05, 0.5):
        noise = (centred(leaking(network, leak=leak)(tokens)[0]) - clean).pow(2).mean().sqrt()
        assert 0.005 < noise / right < 0.03


def test_the_behaviour_stays(network):
    patched = [
        PatchedModel(which, CAUSAL, draw_pairs(CAUSAL, 256, torch.Generator().manual_seed(5)))
        for which in (network, leaking(network, leak=0.01))
    ]
    assert patched[1].behaviour() >= patched[0].behaviour() - 0.02
    assert patched[1].ablated(DECOYS, "resample") >= patched[0].ablated(DECOYS, "resample") - 0.02


def test_the_same_generator_leaks_the_same(network):
    assert torch.equal(leaking(network).W_U, leaking(network).W_U)
    assert not torch.equal(leaking(network).W_U, leaking(network, seed=1).W_U)
