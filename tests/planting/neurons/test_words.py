"""Questions about words: all variants are the word, near misses are a part of it, more than it, or another."""

from __future__ import annotations

import random

import pytest

from scribe_suite.planting.english import TAGS, vocabulary
from scribe_suite.planting.neurons.plan import Question
from scribe_suite.planting.neurons.survey import survey
from scribe_suite.planting.neurons.words import WORDS, suitable_words, word_feature, word_question
from tests.planting.neurons.checking import check_question, keys, near_misses


@pytest.fixture(scope="module", params=[0, 1, 2, 3])
def question(request: pytest.FixtureRequest) -> Question:
    rng = random.Random(request.param)
    return word_question(rng.choice(suitable_words()), rng)


def test_a_word_is_all_its_variants() -> None:
    word = suitable_words()[0]
    tokens = word_feature(word).tokens or frozenset()
    strings = {vocabulary().strings[token] for token in tokens}
    assert strings == {word, f" {word}", word.capitalize(), f" {word.capitalize()}"}


def test_asking_for_a_word_gives_its_feature_and_no_neurons() -> None:
    word = suitable_words()[0]
    assert WORDS.ask(word) == Question("unigram", word, word_feature(word), "rises", 0.5)


@pytest.mark.parametrize("word", ["", "xylophonist", " the", "The", "."])
def test_what_is_no_word_cannot_be_asked_for(word: str) -> None:
    with pytest.raises(ValueError, match="no token for the word"):
        WORDS.ask(word)


def test_suitable_words_are_content_words_of_medium_frequency_whose_variants_occur() -> None:
    assert len(suitable_words()) >= 20
    assert list(suitable_words()) == sorted(set(suitable_words()))
    for word in suitable_words():
        ids = list(vocabulary().variants(word))
        shares = survey().token_shares[ids]
        assert 0.002 < shares.sum() < 0.03
        assert shares.min() > 0.02 * shares.sum()
        tags = {TAGS[tag] for token in ids for tag in vocabulary().tags_of(token)}
        assert not tags & {"determiner", "pronoun", "preposition", "auxiliary", "conjunction", "mark"}


def test_a_word_has_key_neurons_that_fire_on_it_and_near_misses(question: Question) -> None:
    assert question.id == f"unigram/{question.name}"
    assert 2 <= len(keys(question)) <= 3
    assert not any(target.response.silent for target in question.targets)
    check_question(question, {"some variants", "some contexts", "with other words"})
    assert len(near_misses(question)) >= 3


def test_near_misses_of_a_word_are_what_their_kind_says(question: Question) -> None:
    own = question.feature.tokens or frozenset()
    for kind, target in near_misses(question).items():
        ((feature, weight),) = target.response.parts
        tokens = feature.tokens or frozenset()
        assert weight == 1.0
        match kind:
            case "some variants":
                assert frozenset() < tokens < own
            case "some contexts":
                assert tokens == own
                assert feature.previous_tags or feature.previous_tokens
            case "with other words":
                assert tokens > own
            case "other word":
                assert not tokens & own
                assert len({vocabulary().word(token) for token in tokens}) == 1
            case _:
                pytest.fail(f"unknown kind {kind!r}")


def test_the_same_draws_give_the_same_question() -> None:
    first, second = (word_question(suitable_words()[0], random.Random(5)) for _ in range(2))
    assert first == second
    assert first != word_question(suitable_words()[0], random.Random(6))
