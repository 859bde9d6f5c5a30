"""What single neurons do is measured by published definitions, on models that are random."""

from __future__ import annotations

import math

import pytest
import torch
from transformer_lens import HookedTransformer

from scribe_suite.planting.english import TaggedText
from scribe_suite.planting.hooked import untrained_twin
from scribe_suite.planting.neurons.features import Feature, feature_matrix
from scribe_suite.planting.neurons.measure import (
    Neuron,
    ablation_hooks,
    all_neurons,
    neuron_activations,
    next_token_loss,
    position_information,
    recording_hooks,
    variance_explained,
)

CONFIG = {
    "n_layers": 2,
    "d_model": 16,
    "n_heads": 2,
    "d_head": 8,
    "d_mlp": 12,
    "n_ctx": 10,
    "d_vocab": 20,
    "act_fn": "gelu",
    "normalization_type": "LN",
}


@pytest.fixture(scope="module")
def model() -> HookedTransformer:
    return untrained_twin(CONFIG, 0)


@pytest.fixture(scope="module")
def tokens() -> torch.Tensor:
    return torch.randint(0, 20, (150, 10), generator=torch.Generator().manual_seed(0))


# --- variance explained ------------------------------------------------------------------------------------------


def rve_by_the_definition(activation: torch.Tensor, feature: torch.Tensor) -> float:
    on, off = activation[feature > 0], activation[feature == 0]
    q = feature.mean()
    within = q * on.var(correction=0) + (1 - q) * off.var(correction=0)
    return float(1 - within / activation.var(correction=0))


def test_variance_explained_is_the_published_definition_with_the_sign_of_the_difference() -> None:
    generator = torch.Generator().manual_seed(1)
    features = (torch.rand(500, 3, generator=generator) < torch.tensor([0.02, 0.3, 0.9])).float()
    activations = torch.randn(500, 4, generator=generator) + features @ torch.randn(3, 4, generator=generator)
    found = variance_explained(activations, features)
    for neuron in range(4):
        for feature in range(3):
            activation, holds = activations[:, neuron], features[:, feature]
            wanted = rve_by_the_definition(activation, holds)
            assert found[neuron, feature].abs().item() == pytest.approx(wanted, abs=1e-5)
            higher = activation[holds > 0].mean() > activation[holds == 0].mean()
            assert bool(found[neuron, feature] > 0) == bool(higher)
    assert (found < -0.01).any(), "no neuron here falls silent on a feature"


def test_a_neuron_that_is_the_feature_is_explained_whatever_its_scale_and_its_sign_is_told() -> None:
    feature = torch.tensor([0.0, 0.0, 1.0, 0.0, 1.0])[:, None]
    activations = torch.cat([3 * feature + 2, -0.1 * feature, 1 - feature], dim=1)
    assert variance_explained(activations, feature)[:, 0].tolist() == pytest.approx([1, -1, -1])


def test_for_a_feature_with_many_values_it_is_the_squared_correlation() -> None:
    generator = torch.Generator().manual_seed(2)
    ramp = torch.linspace(0, 1, 400)
    activation = torch.randn(400, generator=generator) - ramp
    correlation = torch.corrcoef(torch.stack([activation, ramp]))[0, 1]
    assert correlation < 0
    found = variance_explained(activation[:, None], ramp[:, None])
    assert found.item() == pytest.approx(-float(correlation**2), abs=1e-5)


def test_a_neuron_that_fires_on_a_part_of_the_occurrences_is_explained_by_that_part() -> None:
    feature = (torch.arange(10_000) % 100 == 0).float()[:, None]
    quarter = (torch.arange(10_000) % 400 == 0).float()[:, None]
    assert variance_explained(quarter, feature).item() == pytest.approx(0.25, abs=0.01)


def test_constant_neurons_and_features_explain_nothing() -> None:
    feature = torch.tensor([0.0, 1.0, 0.0])[:, None]
    assert variance_explained(torch.full((3, 1), 2.0), feature).item() == 0.0
    assert variance_explained(feature, torch.zeros(3, 1)).item() == 0.0


def test_activations_and_features_of_different_text_are_refused() -> None:
    with pytest.raises(ValueError, match="3 positions of activations, but 4"):
        variance_explained(torch.zeros(3, 1), torch.zeros(4, 1))


# --- information about the position ------------------------------------------------------------------------------


def test_a_neuron_that_is_the_position_in_sixteen_steps_has_the_information_of_sixteen_steps() -> None:
    position = torch.arange(64).repeat(500)
    steps = (position // 4).float()
    found = position_information(torch.stack([steps, 15 - steps, 7 * steps + 2], dim=1), 64)
    assert found.tolist() == pytest.approx([math.log(16)] * 3, abs=0.02)


def test_a_neuron_that_tells_the_halves_of_a_text_apart_has_one_bit() -> None:
    half = (torch.arange(64).repeat(2000) >= 32).float()
    noisy = half + 0.1 * torch.rand(len(half), generator=torch.Generator().manual_seed(0))
    assert position_information(noisy[:, None], 64).item() == pytest.approx(math.log(2), abs=0.01)


def test_what_does_not_depend_on_the_position_has_no_information() -> None:
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(64 * 500, 3, generator=generator)
    found = position_information(noise, 64)
    assert found.min() >= 0
    assert found.max() < 0.005
    # without the correction for the bias of the plug-in estimate it would be about this much
    assert 15 * 63 / (2 * 64 * 500) > 0.014


def test_a_constant_neuron_has_no_information() -> None:
    constant = torch.zeros(64 * 40, 2)
    constant[:, 1] = 3.5
    assert position_information(constant, 64).tolist() == [0.0, 0.0]


def test_a_neuron_that_is_silent_nearly_everywhere_has_hardly_any_information() -> None:
    generator = torch.Generator().manual_seed(0)
    rare = (torch.rand(64 * 500, generator=generator) < 0.01).float()
    assert position_information(rare[:, None], 64).item() < 0.01


def test_activations_that_are_not_whole_texts_are_refused() -> None:
    with pytest.raises(ValueError, match="130 activations are not whole texts of 64 tokens"):
        position_information(torch.zeros(130, 1), 64)


# --- activations and ablation ------------------------------------------------------------------------------------


def test_features_and_activations_run_over_positions_in_the_same_order(
    model: HookedTransformer, tokens: torch.Tensor
) -> None:
    matrix = feature_matrix([Feature("f", tokens=frozenset({4}))], TaggedText(tokens, torch.zeros_like(tokens)))
    activations = neuron_activations(model, tokens)
    assert matrix.shape == (1500, 1)
    assert activations.shape == (1500, 24)
    _, cache = model.run_with_cache(tokens[140:141])
    assert torch.allclose(activations[1400:1410, 12:], cache["post", 1][0], atol=1e-6)
    assert (matrix[1400:1410, 0] > 0).tolist() == (tokens[140] == 4).tolist()


def test_columns_are_in_the_order_of_all_neurons() -> None:
    names = [str(neuron) for neuron in all_neurons(2, 12)]
    assert names[:2] == ["L0.N0", "L0.N1"]
    assert names[12] == "L1.N0"
    assert len(names) == 24


def test_recording_before_the_nonlinearity_gives_its_input(model: HookedTransformer, tokens: torch.Tensor) -> None:
    before: list[torch.Tensor] = []
    after: list[torch.Tensor] = []
    model.run_with_hooks(tokens, fwd_hooks=recording_hooks(model, before, "hook_pre") + recording_hooks(model, after))
    assert len(before) == len(after) == 2
    assert torch.allclose(torch.nn.functional.gelu(before[1]), after[1], atol=1e-6)


def test_ablation_holds_the_chosen_neurons_and_no_others(model: HookedTransformer, tokens: torch.Tensor) -> None:
    means = torch.arange(24.0).view(2, 12)
    chosen = [Neuron(0, 3), Neuron(1, 0), Neuron(1, 11)]
    with model.hooks(fwd_hooks=list(ablation_hooks(chosen, means))):
        _, cache = model.run_with_cache(tokens[:5])
    assert (cache["post", 0][..., 3] == 3).all()
    assert (cache["post", 1][..., [0, 11]] == torch.tensor([12.0, 23.0])).all()
    _, clean = model.run_with_cache(tokens[:5])
    others = [i for i in range(12) if i != 3]
    assert torch.equal(cache["post", 0][..., others], clean["post", 0][..., others])


def test_the_loss_is_the_models_own_and_ablation_changes_it(model: HookedTransformer, tokens: torch.Tensor) -> None:
    clean = next_token_loss(model, tokens)
    assert clean.shape == (150, 9)
    assert clean.mean().item() == pytest.approx(model(tokens, return_type="loss").item(), abs=1e-5)
    far = next_token_loss(model, tokens, [Neuron(0, 1)], torch.full((24,), 100.0))
    assert (far - clean).abs().mean() > 1e-3
    near = next_token_loss(model, tokens, [], neuron_activations(model, tokens).mean(0))
    assert torch.allclose(near, clean)


def test_ablation_without_means_is_refused(model: HookedTransformer, tokens: torch.Tensor) -> None:
    with pytest.raises(ValueError, match="mean"):
        next_token_loss(model, tokens, [Neuron(0, 1)])
