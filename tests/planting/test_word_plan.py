from __future__ import annotations

import pytest
import torch

from scribe_suite.planting.language import sample_tokens, vocabulary
from scribe_suite.planting.neurons import feature_matrix, variance_explained
from scribe_suite.planting.word_plan import WordPlan, draw_word_plan, suitable_word_features


@pytest.fixture(scope="module", params=[0, 1, 2])
def plan(request: pytest.FixtureRequest) -> WordPlan:
    return draw_word_plan(request.param, 7, 2, 256)


@pytest.fixture(scope="module")
def text() -> torch.Tensor:
    return torch.from_numpy(sample_tokens(12_345, 1500, 64))


def test_the_same_seed_gives_the_same_plan() -> None:
    assert draw_word_plan(5, 7, 2, 256) == draw_word_plan(5, 7, 2, 256)


def test_other_seeds_give_other_words_and_other_neurons() -> None:
    plans = [draw_word_plan(seed, 7, 2, 256) for seed in range(3)]
    assert len({plan.words for plan in plans}) == 3
    assert len({tuple(sorted(map(str, plan.key().values()))) for plan in plans}) == 3


def test_no_neuron_is_assigned_twice(plan: WordPlan) -> None:
    neurons = [item.neuron for item in plan.planting.assignments]
    assert len(set(neurons)) == len(neurons)


def test_every_word_has_two_to_four_neurons_in_both_layers_with_different_strengths(plan: WordPlan) -> None:
    for word in plan.words:
        found = [item for item in plan.planting.assignments if item.feature == word]
        assert 2 <= len(found) <= 4
        assert {item.neuron.layer for item in found} == {0, 1}
        assert len({item.strength for item in found}) > 1


def test_every_word_has_near_misses_that_are_not_in_its_key(plan: WordPlan) -> None:
    key, near = plan.key(), plan.near_miss_key()
    for word in plan.words:
        assert len(near[word]) >= 3
        assert not set(near[word]) & set(key[word])


def test_planted_words_are_of_medium_frequency(plan: WordPlan, text: torch.Tensor) -> None:
    features = feature_matrix(plan.planting.features[: len(plan.words)], text)
    assert features.mean(0).min() > 0.002
    assert features.mean(0).max() < 0.03


def test_a_perfect_near_miss_is_explained_by_its_word_to_a_small_part_only(plan: WordPlan, text: torch.Tensor) -> None:
    names = [feature.name for feature in plan.planting.features]
    values = feature_matrix(plan.planting.features, text)
    explained = variance_explained(values, values)
    for word in plan.words:
        for name in plan.near_misses[word]:
            assert explained[names.index(name), names.index(word)] < 0.32, (word, name)


def test_a_near_miss_holds_somewhere(plan: WordPlan, text: torch.Tensor) -> None:
    values = feature_matrix(plan.planting.features, text)
    assert (values.sum(0) > 20).all()


def test_suitable_words_cover_the_planted_ones(plan: WordPlan) -> None:
    suitable = {feature.name: feature for feature in suitable_word_features()}
    for word in plan.words:
        assert suitable[word].current == frozenset(vocabulary().variants(word))


def test_too_many_words_and_too_few_neurons_are_refused() -> None:
    with pytest.raises(ValueError, match="frequent enough"):
        draw_word_plan(0, 500, 2, 256)
    with pytest.raises(ValueError, match="too few"):
        draw_word_plan(0, 7, 2, 8)
