"""One run ablates every position, and each feels its own ablation alone."""

from __future__ import annotations

import pytest
import torch
from transformer_lens import HookedTransformer

from scribe_suite.planting.hooked import untrained_twin
from scribe_suite.planting.neurons.local_ablation import (
    KeysAndValues,
    keeping_hooks,
    local_ablation_loss,
    token_losses,
)
from scribe_suite.planting.neurons.measure import neuron_activations, next_token_loss
from tests.planting.neurons.small import CONFIG, LENGTH, sample

ROWS = 3
N_NEURONS = 2 * 24


@pytest.fixture(scope="module")
def model() -> HookedTransformer:
    # larger weights than usual, or an ablation would change nothing that can be seen
    twin = untrained_twin(CONFIG, 0)
    with torch.no_grad():
        for parameter in twin.parameters():
            parameter.mul_(4.0)
    return twin


@pytest.fixture(scope="module")
def tokens() -> torch.Tensor:
    return sample(5, ROWS).tokens


@pytest.fixture(scope="module")
def means(model: HookedTransformer, tokens: torch.Tensor) -> torch.Tensor:
    return neuron_activations(model, tokens).mean(0) + 1.0


@pytest.fixture(scope="module")
def held() -> torch.Tensor:
    """Other neurons at every position, none at some."""
    chosen = torch.rand(ROWS, LENGTH, N_NEURONS, generator=torch.Generator().manual_seed(1)) < 0.2
    chosen[:, 4] = False
    return chosen


@pytest.fixture(scope="module")
def kept(model: HookedTransformer, tokens: torch.Tensor) -> KeysAndValues:
    found: KeysAndValues = {}
    with model.hooks(fwd_hooks=keeping_hooks(model, found)):
        model(tokens)
    return found


def test_every_position_feels_its_own_ablation_alone(model, tokens, held, means, kept) -> None:
    found = local_ablation_loss(model, tokens, held, means, kept)
    for place in range(LENGTH - 1):
        only_here = torch.zeros_like(held)
        only_here[:, place] = held[:, place]
        alone = local_ablation_loss(model, tokens, only_here, means, kept)
        assert torch.allclose(found[:, place], alone[:, place], atol=1e-4)
        elsewhere = [other for other in range(LENGTH - 1) if other != place]
        assert torch.allclose(alone[:, elsewhere], next_token_loss(model, tokens)[:, elsewhere], atol=1e-4)


def test_in_the_last_layer_it_is_an_ordinary_ablation(model, tokens, held, means, kept) -> None:
    last = held.clone()
    last[:, :, :24] = False

    def hold(activation: torch.Tensor, hook: object) -> torch.Tensor:
        return torch.where(last[:, :, 24:], means[24:], activation)

    with torch.no_grad(), model.hooks(fwd_hooks=[("blocks.1.mlp.hook_post", hold)]):
        wanted = token_losses(model, tokens)
    assert torch.allclose(local_ablation_loss(model, tokens, last, means, kept), wanted, atol=1e-4)


def test_ablations_are_felt_and_nothing_ablated_changes_nothing(model, tokens, held, means, kept) -> None:
    clean = next_token_loss(model, tokens)
    found = local_ablation_loss(model, tokens, held, means, kept)
    assert torch.allclose(found[:, 4], clean[:, 4], atol=1e-4)
    assert (found - clean).abs().mean() > 0.05


def _louder(activation: torch.Tensor, hook: object) -> torch.Tensor:
    return activation + 1.0


def test_without_clean_keys_and_values_positions_would_disturb_each_other(model, tokens, held, means) -> None:
    disturbed: KeysAndValues = {}
    with (
        torch.no_grad(),
        model.hooks(fwd_hooks=[("blocks.0.mlp.hook_post", _louder), *keeping_hooks(model, disturbed)]),
    ):
        model(tokens)
    clean = next_token_loss(model, tokens)
    assert not torch.allclose(local_ablation_loss(model, tokens, held, means, disturbed)[:, 4], clean[:, 4], atol=1e-3)


def test_gradients_pass_through_the_ablation_but_not_through_keys_and_values(model, tokens, held, means, kept) -> None:
    assert not any(found.requires_grad for found in kept.values())
    model.zero_grad()
    local_ablation_loss(model, tokens, held, means, kept).mean().backward()
    assert model.blocks[0].mlp.W_out.grad.abs().sum() > 0
    assert model.blocks[0].attn.W_V.grad is None or model.blocks[0].attn.W_V.grad.abs().sum() == 0
    model.zero_grad(set_to_none=True)
