"""Questions about first letters: in either case, with or without a space, with neurons or with near misses only."""

from __future__ import annotations

import random

import pytest

from scribe_suite.planting.english import vocabulary
from scribe_suite.planting.neurons.letters import LETTERS, letter_feature, letter_question, suitable_letters
from scribe_suite.planting.neurons.plan import Question
from scribe_suite.planting.neurons.survey import survey
from tests.planting.neurons.checking import check_question, keys, near_misses

FITTED = {"and other letters", "some variants", "some categories", "after some categories"}


@pytest.fixture(scope="module", params=[0, 1, 2, 3])
def question(request: pytest.FixtureRequest) -> Question:
    rng = random.Random(request.param)
    return letter_question(rng.choice(suitable_letters()), rng, present=True)


def test_a_letter_holds_on_all_tokens_that_start_with_it_and_on_no_others() -> None:
    tokens = letter_feature("s").tokens or frozenset()
    for token, string in enumerate(vocabulary().strings):
        is_word = vocabulary().word(token) is not None
        assert (token in tokens) == (is_word and string.strip().lower().startswith("s")), string
    strings = {vocabulary().strings[token] for token in tokens}
    assert any(string[0] == " " and string[1].isupper() for string in strings)
    assert any(string[0].isupper() for string in strings)


def test_marks_have_no_letter() -> None:
    assert vocabulary().mark("<doc>") not in (letter_feature("d").tokens or frozenset())


def test_asking_for_a_letter_gives_its_feature_and_no_neurons() -> None:
    assert LETTERS.ask("s") == Question("alphabet", "s", letter_feature("s"), "rises", 0.37)


@pytest.mark.parametrize("letter", ["", "S", "st", "#", "<", "1"])
def test_what_no_token_starts_with_cannot_be_asked_for(letter: str) -> None:
    with pytest.raises(ValueError, match="no token starts with"):
        LETTERS.ask(letter)


def test_suitable_letters_are_neither_rare_nor_everywhere() -> None:
    assert len(suitable_letters()) >= 10
    for letter in suitable_letters():
        assert 0.015 < survey().share(letter_feature(letter)) < 0.13


def test_a_letter_has_one_or_two_key_neurons_and_near_misses(question: Question) -> None:
    assert 1 <= len(keys(question)) <= 2
    assert not any(target.response.silent for target in question.targets)
    assert 2 <= len(near_misses(question)) <= 3
    check_question(question, FITTED)


def test_a_letter_without_neurons_has_near_misses_only() -> None:
    letter = suitable_letters()[0]
    question = letter_question(letter, random.Random(0), present=False)
    assert not keys(question)
    assert len(near_misses(question)) == 3
    check_question(question, FITTED)
    assert (question.feature, question.direction) == (letter_feature(letter), "rises")


def test_near_misses_of_a_letter_are_what_their_kind_says(question: Question) -> None:
    own = question.feature.tokens or frozenset()
    for kind, target in near_misses(question).items():
        ((feature, _),) = target.response.parts
        tokens = feature.tokens or frozenset()
        match kind:
            case "and other letters":
                assert tokens > own
                initials = {vocabulary().initial(token) for token in tokens}
                assert all((letter_feature(str(initial)).tokens or frozenset()) <= tokens for initial in initials)
            case "some variants":
                assert frozenset() < tokens < own
            case "some categories":
                assert tokens == own
                assert feature.tags
            case "after some categories":
                assert tokens == own
                assert feature.previous_tags
            case _:
                pytest.fail(f"unknown kind {kind!r}")


def test_all_kinds_of_near_misses_are_drawn() -> None:
    found = set()
    for seed, letter in enumerate(suitable_letters()[:6]):
        found |= set(near_misses(letter_question(letter, random.Random(seed), present=False)))
    assert found == FITTED
