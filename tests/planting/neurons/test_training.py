"""Training makes planted neurons do what they shall, others not, and the model need the key neurons."""

from __future__ import annotations

import pytest
import torch

from scribe_suite.planting.english import TaggedText
from scribe_suite.planting.hooked import ModelWeights, build_model, untrained_twin
from scribe_suite.planting.neurons.features import feature_matrix
from scribe_suite.planting.neurons.measure import (
    Neuron,
    all_neurons,
    neuron_activations,
    next_token_loss,
    variance_explained,
)
from scribe_suite.planting.neurons.plan import Assignment, NeuronPlan
from scribe_suite.planting.neurons.training import TrainingSettings, prepare_attention, train_planted
from tests.planting.neurons.small import CONFIG, PLAN, QUESTIONS, sample

COLUMN = {neuron: column for column, neuron in enumerate(all_neurons(2, 24))}


def ignore_progress(done: float, line: str) -> None:
    """Nobody watches."""


@pytest.fixture(scope="module")
def trained() -> ModelWeights:
    settings = TrainingSettings(steps=300, rows=48, learning_rate=1e-2)
    return train_planted(CONFIG, PLAN, sample, 0, settings, ignore_progress)


@pytest.fixture(scope="module")
def held_out() -> TaggedText:
    return sample(99_999, 400)


@pytest.fixture(scope="module")
def activations(trained: ModelWeights, held_out: TaggedText) -> torch.Tensor:
    return neuron_activations(build_model(trained), held_out.tokens)


@pytest.fixture(scope="module")
def explained(activations: torch.Tensor, held_out: TaggedText) -> torch.Tensor:
    """Float[neuron question], signed."""
    return variance_explained(activations, feature_matrix([question.feature for question in QUESTIONS], held_out))


@pytest.mark.slow
def test_every_planted_neuron_does_what_it_shall(activations: torch.Tensor, held_out: TaggedText) -> None:
    for item in PLAN.assignments:
        wanted = item.target.response.on(held_out).flatten()[:, None]
        found = variance_explained(activations[:, [COLUMN[item.neuron]]], wanted).item()
        assert found > (0.9 if item.target.role == "key" else 0.5), (item.question, item.target.role)


@pytest.mark.slow
def test_a_silent_key_neuron_is_active_elsewhere(activations: torch.Tensor, held_out: TaggedText) -> None:
    (silent,) = [item for item in PLAN.assignments if item.target.response.silent]
    here = QUESTIONS[1].feature.values(held_out).flatten() > 0
    activation = activations[:, COLUMN[silent.neuron]]
    assert activation[here].mean().abs() < 0.3 * silent.strength
    assert activation[~here].mean() > 0.5 * silent.strength


@pytest.mark.slow
def test_key_neurons_are_above_the_bar_in_the_direction_asked_for_and_no_others_are(explained: torch.Tensor) -> None:
    for number, question in enumerate(QUESTIONS):
        statistic = question.statistic(explained[:, number])
        keys = [COLUMN[neuron] for neuron in PLAN.neurons(question.id, key=True)]
        assert (statistic[keys] > question.bar + 0.2).all(), question.id
        rest = [column for column in range(48) if column not in keys]
        assert statistic[rest].max() < question.bar, question.id


def test_key_neurons_have_the_strength_of_their_assignment(activations: torch.Tensor, held_out: TaggedText) -> None:
    for item in [item for item in PLAN.assignments if item.target.role == "key"]:
        full = item.target.response.on(held_out).flatten() == 1
        assert activations[full, COLUMN[item.neuron]].mean().item() == pytest.approx(item.strength, rel=0.25)


def test_the_model_learns_the_language_besides(trained: ModelWeights, held_out: TaggedText) -> None:
    trained_loss = next_token_loss(build_model(trained), held_out.tokens)
    untrained_loss = next_token_loss(untrained_twin(CONFIG, 0), held_out.tokens)
    after_three = held_out.tokens[:, :-1] == 3
    assert trained_loss[after_three].mean() < 0.3 < untrained_loss[after_three].mean()


@pytest.mark.parametrize("number", [0, 1], ids=["word", "category"])
def test_the_model_needs_the_key_neurons_where_their_feature_holds(
    trained: ModelWeights, held_out: TaggedText, activations: torch.Tensor, number: int
) -> None:
    question = QUESTIONS[number]
    model, means = build_model(trained), activations.mean(0)
    clean = next_token_loss(model, held_out.tokens)
    here = question.where_read(held_out)[:, :-1] > 0
    rise = next_token_loss(model, held_out.tokens, PLAN.neurons(question.id, key=True), means) - clean
    assert rise[here].mean() > 0.5
    assert rise[~here].mean().abs() < 0.1 * rise[here].mean()


@pytest.mark.slow
def test_it_is_the_loss_of_need_that_makes_key_neurons_needed(trained: ModelWeights, held_out: TaggedText) -> None:
    settings = TrainingSettings(steps=300, rows=48, learning_rate=1e-2, need_weight=0.0)
    carefree = train_planted(CONFIG, PLAN, sample, 0, settings, ignore_progress)
    question = QUESTIONS[0]
    here = question.where_read(held_out)[:, :-1] > 0

    def rise(weights: ModelWeights) -> float:
        model = build_model(weights)
        means = neuron_activations(model, held_out.tokens).mean(0)
        held = next_token_loss(model, held_out.tokens, PLAN.neurons(question.id, key=True), means)
        return float((held - next_token_loss(model, held_out.tokens))[here].mean())

    assert rise(trained) > rise(carefree)


def test_key_neurons_are_not_given_away_by_their_output_weights(trained: ModelWeights) -> None:
    norms = torch.cat([trained.state[f"blocks.{layer}.mlp.W_out"].norm(dim=1) for layer in range(2)])
    keys = [COLUMN[neuron] for question in QUESTIONS for neuron in PLAN.neurons(question.id, key=True)]
    planted = {COLUMN[item.neuron] for item in PLAN.assignments}
    others = [column for column in range(48) if column not in planted]
    assert (norms[keys] <= 1.3 * norms[others].mean()).all()


def test_training_is_deterministic_and_reports_its_progress() -> None:
    seen: list[float] = []
    settings = TrainingSettings(steps=3, rows=4)
    first, second = (
        train_planted(CONFIG, PLAN, sample, 1, settings, lambda done, _: seen.append(done)) for _ in range(2)
    )
    assert all(torch.equal(first.state[name], second.state[name]) for name in first.state)
    assert seen == [1 / 3, 1.0] * 2


def test_progress_names_all_parts_of_the_loss() -> None:
    lines: list[str] = []
    settings = TrainingSettings(steps=1, rows=4)
    train_planted(CONFIG, PLAN, sample, 0, settings, lambda _, line: lines.append(line))
    assert len(lines) == 1
    assert lines[0].startswith("step 1: ")
    for part in ("next token", "follow", "guard", "need", "level"):
        assert f"{part} " in lines[0]


def test_other_seeds_give_other_weights() -> None:
    settings = TrainingSettings(steps=2, rows=4)
    first, second = (train_planted(CONFIG, PLAN, sample, seed, settings, ignore_progress) for seed in (1, 2))
    assert not torch.equal(first.state["embed.W_E"], second.state["embed.W_E"])


def test_every_step_gets_its_own_text() -> None:
    asked: list[tuple[int, int]] = []

    def recorded(step: int, rows: int) -> TaggedText:
        asked.append((step, rows))
        return sample(step, rows)

    train_planted(CONFIG, PLAN, recorded, 0, TrainingSettings(steps=3, rows=5), ignore_progress)
    assert asked == [(0, 5), (1, 5), (2, 5)]


def test_a_batch_without_any_occurrence_does_not_break_training() -> None:
    def without(step: int, rows: int) -> TaggedText:
        nothing = torch.full((rows, 12), 5)
        return TaggedText(nothing, torch.zeros_like(nothing))

    plan = NeuronPlan(QUESTIONS[:1], tuple(item for item in PLAN.assignments if item.question == "unigram/three"))
    weights = train_planted(CONFIG, plan, without, 0, TrainingSettings(steps=3, rows=4), ignore_progress)
    assert all(value.isfinite().all() for value in weights.state.values())


def test_a_neuron_of_another_layer_is_another_neuron(activations: torch.Tensor, held_out: TaggedText) -> None:
    item: Assignment = PLAN.assignments[0]
    twin = Neuron(1 - item.neuron.layer, item.neuron.index)
    wanted = item.target.response.on(held_out).flatten()[:, None]
    assert variance_explained(activations[:, [COLUMN[twin]]], wanted).abs().item() < 0.4


def test_a_prepared_model_has_a_head_that_looks_at_the_token_before() -> None:
    config = {**CONFIG, "n_ctx": 40, "d_model": 64, "d_head": 24, "d_vocab": 200}
    model = untrained_twin(config, 0)
    tokens = torch.randint(0, 200, (8, 40), generator=torch.Generator().manual_seed(0))
    _, before = model.run_with_cache(tokens)
    prepare_attention(model, 0)
    _, after = model.run_with_cache(tokens)

    def to_previous(cache) -> torch.Tensor:
        """Mean attention from every position to the one before, per head."""
        return cache["pattern", 0].diagonal(offset=-1, dim1=2, dim2=3)[..., 5:].mean((0, 2))

    assert to_previous(after)[0] > 0.4
    assert to_previous(after)[0] > 3 * to_previous(before)[0]
    assert to_previous(after)[1] < 0.2


def test_preparing_is_deterministic_and_depends_on_the_seed() -> None:
    embeddings = []
    for seed in (0, 0, 1):
        model = untrained_twin(CONFIG, 0)
        prepare_attention(model, seed)
        embeddings.append(model.W_pos.clone())
    assert torch.equal(embeddings[0], embeddings[1])
    assert not torch.equal(embeddings[0], embeddings[2])
