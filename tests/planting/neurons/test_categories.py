"""Questions about grammatical categories of the current and the previous token, where either sign counts."""

from __future__ import annotations

import random
from typing import get_args

import pytest

from scribe_suite.planting.english import TAGS
from scribe_suite.planting.neurons.categories import (
    CATEGORIES,
    Place,
    category_feature,
    category_question,
    suitable_categories,
)
from scribe_suite.planting.neurons.plan import Question
from scribe_suite.planting.neurons.survey import survey
from tests.planting.neurons.checking import check_question, keys, near_misses


@pytest.fixture(scope="module", params=[(place, seed) for place in get_args(Place) for seed in range(3)], ids=str)
def question(request: pytest.FixtureRequest) -> Question:
    place, seed = request.param
    rng = random.Random(seed)
    return category_question(rng.choice(suitable_categories()), place, rng)


def test_a_category_is_the_tag_of_the_token_or_of_the_one_before() -> None:
    text = survey().text
    noun = TAGS.index("noun_plural")
    current = category_feature("noun_plural", "current").values(text)
    previous = category_feature("noun_plural", "previous").values(text)
    assert ((current > 0) == (text.tags == noun)).all()
    assert ((previous[:, 1:] > 0) == (text.tags[:, :-1] == noun)).all()
    assert (previous[:, 0] == 0).all()


@pytest.mark.parametrize("place", get_args(Place))
def test_asking_for_a_category_gives_its_feature_and_no_neurons(place: Place) -> None:
    asked = CATEGORIES.ask(f"{place} adverb")
    assert asked == Question("syntax", f"{place} adverb", category_feature("adverb", place), "either", 0.5)


@pytest.mark.parametrize("name", ["", "adverb", "next adverb", "current adverbs", "previous", "current current adverb"])
def test_what_is_no_place_and_category_cannot_be_asked_for(name: str) -> None:
    with pytest.raises(ValueError, match="no place and category"):
        CATEGORIES.ask(name)


def test_suitable_categories_are_of_words_and_neither_rare_nor_everywhere() -> None:
    assert len(suitable_categories()) >= 8
    assert not {"punctuation", "mark"} & set(suitable_categories())
    for category in suitable_categories():
        assert 0.01 < survey().share(category_feature(category, "current")) < 0.16


def test_a_category_has_key_neurons_and_near_misses(question: Question) -> None:
    assert 2 <= len(keys(question)) <= 3
    assert len(near_misses(question)) >= 2
    check_question(question, {"overlapping category", "some words", "some contexts"})


def test_near_misses_of_categories_are_silent_as_often_as_key_neurons() -> None:
    asked = [category_question("noun_plural", "current", random.Random(seed)) for seed in range(12)]
    silent = [target.response.silent for question in asked for target in near_misses(question).values()]
    assert 0.1 < sum(silent) / len(silent) < 0.7


def test_some_key_neurons_of_categories_are_silent_and_some_are_active() -> None:
    rng = random.Random(0)
    targets = [target for _ in range(12) for target in keys(category_question("adverb", "current", rng))]
    silent = sum(target.response.silent for target in targets)
    assert 0.1 < silent / len(targets) < 0.7


def test_near_misses_of_a_category_are_what_their_kind_says(question: Question) -> None:
    is_current = question.feature.tags is not None
    own = question.feature.tags or question.feature.previous_tags or frozenset()
    for kind, target in near_misses(question).items():
        ((feature, _),) = target.response.parts
        here, there = (feature.tags, feature.previous_tags) if is_current else (feature.previous_tags, feature.tags)
        match kind:
            case "overlapping category":
                assert (here or frozenset()) > own
                assert there is None
            case "some words":
                assert here == own
                assert (feature.tokens if is_current else feature.previous_tokens) is not None
            case "some contexts":
                assert here == own
                assert there
            case "other place":
                assert here is None
                assert there == own
            case _:
                pytest.fail(f"unknown kind {kind!r}")


def test_every_kind_of_near_miss_occurs_for_both_places() -> None:
    for place in get_args(Place):
        found = set(near_misses(category_question("adjective", place, random.Random(0))))
        assert found == {"overlapping category", "some words", "some contexts", "other place"}
