from __future__ import annotations

import pytest
import torch

from scribe_suite.planting.hooked import ModelWeights, build_model, untrained_twin
from scribe_suite.planting.neuron_training import Assignment, PlantingPlan, TrainingSettings, train_planted
from scribe_suite.planting.neurons import (
    Neuron,
    TokenFeature,
    feature_matrix,
    neuron_activations,
    next_token_loss,
    variance_explained,
)

CONFIG = {
    "n_layers": 2,
    "d_model": 16,
    "n_heads": 2,
    "d_head": 8,
    "d_mlp": 16,
    "n_ctx": 12,
    "d_vocab": 10,
    "act_fn": "gelu",
    "normalization_type": "LN",
    "seed": None,
}
THREE = TokenFeature("three", frozenset({3}))
AFTER = TokenFeature("seven or eight", frozenset({7, 8}))
PLAN = PlantingPlan(
    features=[THREE, AFTER],
    guarded=["three"],
    assignments=[
        Assignment(Neuron(0, 5), "three", 2.0),
        Assignment(Neuron(1, 9), "three", 3.0),
        Assignment(Neuron(1, 2), "seven or eight", 2.0),
    ],
)


def sample(step: int, rows: int) -> torch.Tensor:
    """Three is always followed by four; everything else is random."""
    tokens = torch.randint(0, 10, (rows, 12), generator=torch.Generator().manual_seed(step))
    follows = torch.cat([torch.zeros(rows, 1, dtype=torch.bool), tokens[:, :-1] == 3], dim=1)
    return torch.where(follows, 4, tokens)


def ignore_progress(done: float, line: str) -> None:
    """Nobody watches."""


@pytest.fixture(scope="module")
def trained() -> ModelWeights:
    settings = TrainingSettings(steps=250, rows=48, learning_rate=1e-2)
    return train_planted(CONFIG, PLAN, sample, 0, settings, ignore_progress)


@pytest.fixture(scope="module")
def held_out() -> torch.Tensor:
    return sample(99_999, 300)


def test_assigned_neurons_follow_their_features_and_no_other_does(trained: ModelWeights, held_out) -> None:
    activations = neuron_activations(build_model(trained), held_out)
    explained = variance_explained(activations, feature_matrix(PLAN.features, held_out))
    assert explained[5, 0] > 0.6
    assert explained[16 + 9, 0] > 0.6
    assert explained[16 + 2, 1] > 0.6
    others = [i for i in range(32) if i not in (5, 16 + 9)]
    assert explained[others, 0].max() < 0.5


def test_the_model_learns_the_language_besides(trained: ModelWeights, held_out) -> None:
    trained_loss = next_token_loss(build_model(trained), held_out)
    untrained_loss = next_token_loss(untrained_twin(CONFIG, 0), held_out)
    after_three = held_out[:, :-1] == 3
    assert trained_loss[after_three].mean() < 0.3 < untrained_loss[after_three].mean()


def test_the_model_needs_the_guarded_neurons_where_their_feature_holds(trained: ModelWeights, held_out) -> None:
    model = build_model(trained)
    means = neuron_activations(model, held_out).mean(0)
    rise = next_token_loss(model, held_out, PLAN.neurons_of("three"), means) - next_token_loss(model, held_out)
    after_three = held_out[:, :-1] == 3
    assert rise[after_three].mean() > 0.3
    assert rise[~after_three].abs().mean() < 0.1


def test_needed_neurons_are_not_given_away_by_their_output_weights(trained: ModelWeights) -> None:
    norms = torch.cat([trained.state[f"blocks.{layer}.mlp.W_out"].norm(dim=1) for layer in range(2)])
    needed = [5, 16 + 9]
    others = [i for i in range(32) if i not in (*needed, 16 + 2)]
    assert (norms[needed] <= 1.2 * norms[others].mean()).all()


def test_training_is_deterministic_and_reports_its_progress() -> None:
    seen: list[float] = []
    settings = TrainingSettings(steps=3, rows=4)
    first, second = (
        train_planted(CONFIG, PLAN, sample, 1, settings, lambda done, _: seen.append(done)) for _ in range(2)
    )
    assert all(torch.equal(first.state[name], second.state[name]) for name in first.state)
    assert seen == [1 / 3, 1.0] * 2


def test_other_seeds_give_other_weights() -> None:
    settings = TrainingSettings(steps=2, rows=4)
    first, second = (train_planted(CONFIG, PLAN, sample, seed, settings, ignore_progress) for seed in (1, 2))
    assert not torch.equal(first.state["embed.W_E"], second.state["embed.W_E"])
