"""Weights are made equally large by exact symmetries: the function stays, a ranking by norm says nothing."""

from __future__ import annotations

import pytest
import torch

from scribe_suite.planting.circuits.norms import equalise_norms
from scribe_suite.planting.circuits.patchable import PatchableTransformer
from scribe_suite.planting.symmetries import apply_symmetry, draw_symmetry
from studies.degenerate import auroc, node_statistics
from tests.planting.circuits.small_circuit import HalfThenLabel, small_shape

NORMALIZATIONS = pytest.mark.parametrize("normalization", ["LN", None])


def prompts():
    return HalfThenLabel().sample(64, torch.Generator().manual_seed(2))


def unequal_network(normalization=None, **changes) -> PatchableTransformer:
    """All parameters random; some nodes' weights many times larger than others'."""
    network = PatchableTransformer(small_shape(n_heads=3, normalization=normalization, act_fn="relu", **changes), 1)
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.3 * torch.randn(parameter.shape, generator=generator))
        network.W_V[0, 1] *= 6.0
        network.W_O[1, 0] *= 4.0
        network.W_Q[1, 2] *= 5.0
        network.W_in[0] *= 3.0
    return network


def equalised(network, seed=0) -> PatchableTransformer:
    equalise_norms(network, prompts(), torch.Generator().manual_seed(seed))
    return network


@NORMALIZATIONS
@torch.no_grad()
def test_the_function_stays(normalization):
    wanted = unequal_network(normalization)(prompts())[0]
    found = equalised(unequal_network(normalization))(prompts())[0]
    assert wanted.std() > 0.5
    assert (found - wanted).abs().max() < 1e-4 * wanted.abs().max()


@NORMALIZATIONS
@torch.no_grad()
def test_what_nodes_write_stays(normalization):
    before, after = unequal_network(normalization), equalised(unequal_network(normalization))
    wanted, found = (network.writes(network(prompts())[1]) for network in (before, after))
    assert torch.allclose(wanted, found, atol=1e-4 * wanted.abs().max().item())


@NORMALIZATIONS
def test_all_nodes_have_the_same_norm(normalization):
    before = node_statistics(unequal_network(normalization), prompts())["weight_norm"]
    after = node_statistics(equalised(unequal_network(normalization)), prompts())["weight_norm"]
    assert max(before.values()) > 1.5 * min(before.values())
    assert max(after.values()) < 1.001 * min(after.values())


@torch.no_grad()
def test_all_heads_have_the_same_size_of_z():
    network = equalised(unequal_network())
    sizes = network(prompts())[1].heads.pow(2).sum(-1).mean((1, 2)).sqrt()
    assert sizes.max() < 1.001 * sizes.min()


def test_the_generator_decides_which_side_is_larger():
    one, again, other = (equalised(unequal_network(), seed) for seed in (0, 0, 5))
    assert torch.equal(one.W_Q, again.W_Q)
    larger = [(network.W_Q.flatten(2).norm(dim=-1) > network.W_K.flatten(2).norm(dim=-1)) for network in (one, other)]
    assert not torch.equal(*larger)
    for network in (one, other):
        assert all(parameter.isfinite().all() for parameter in network.parameters())


def test_after_symmetries_the_norm_says_nothing_about_a_node_that_was_large():
    weights = equalised(unequal_network()).to_weights()
    large = ("a0.h1", "a1.h0", "a1.h2", "m0")
    before = node_statistics(unequal_network(), prompts())["weight_norm"]
    assert auroc(before, large) > 0.9
    found = []
    for seed in range(60):
        symmetry = draw_symmetry(weights.config, seed)
        moved = PatchableTransformer.from_weights(apply_symmetry(weights, symmetry))
        statistic = node_statistics(moved, symmetry.tokens(prompts()))["weight_norm"]
        found.append(auroc(statistic, {symmetry.component(node) for node in large}))
    assert 0.35 <= sum(found) / len(found) <= 0.65


def test_only_relu_neurons_can_trade_size():
    with pytest.raises(ValueError, match="ReLU"):
        equalise_norms(PatchableTransformer(small_shape(act_fn="gelu")), prompts(), torch.Generator())
