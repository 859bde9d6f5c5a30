"""Key neurons are impure to measure; a near miss is the first candidate that is neither too good nor too bad."""

from __future__ import annotations

import random

import pytest

from scribe_suite.planting.neurons.features import Feature, Response
from scribe_suite.planting.neurons.letters import LETTERS, suitable_letters
from scribe_suite.planting.neurons.plan import Direction, Question
from scribe_suite.planting.neurons.positions import FIRST_POSITION, SHAPES
from scribe_suite.planting.neurons.survey import survey
from scribe_suite.planting.neurons.targets import (
    HIGHEST_KEY_RVE,
    KEY_MARGIN,
    LOWEST_KEY_RVE,
    expected_statistic,
    key_targets,
    near_miss,
    response_to,
)
from scribe_suite.planting.neurons.words import WORDS, suitable_words, word_feature

WORD = suitable_words()[0]
QUESTIONS = {
    "word": WORDS.ask(WORD),
    "letter": LETTERS.ask(suitable_letters()[0]),
    "ramp": SHAPES.ask("rising"),
    "band": SHAPES.ask("band 10-20"),
    "first position": FIRST_POSITION.ask("active"),
}


@pytest.mark.parametrize("question", QUESTIONS.values(), ids=QUESTIONS)
@pytest.mark.parametrize("silent", [False, True], ids=["active", "silent"])
def test_a_key_neuron_follows_its_feature_with_an_impurity(question: Question, silent: bool) -> None:
    feature = question.feature
    targets = key_targets(question, random.Random(0), [silent] * 4)
    explained = [survey().explained(target.response, feature) * (-1 if silent else 1) for target in targets]
    lowest = max(LOWEST_KEY_RVE, question.bar + KEY_MARGIN)
    for target, found in zip(targets, explained, strict=True):
        assert target.role == "key"
        assert target.response.silent == silent
        (own, one), (side, weight) = target.response.parts
        assert (own, one) == (feature, 1.0)
        assert 0 < weight <= 1, "a key neuron does more of something else than of its own feature"
        assert lowest - 0.02 <= found <= HIGHEST_KEY_RVE + 0.02
        assert not (side.tokens or frozenset()) & (feature.tokens or frozenset())
    assert max(explained) - min(explained) > 0.02, "all key neurons are alike"


def test_key_neurons_may_follow_a_feature_that_is_not_the_one_they_are_compared_with() -> None:
    shape = Feature("falling", profile=tuple(reversed(SHAPES.ask("rising").feature.profile or ())))
    question = SHAPES.ask("falling")
    for target in key_targets(question, random.Random(0), [False, False], shape):
        assert target.response.parts[0][0] == shape
        assert expected_statistic(target.response, question) >= question.bar + KEY_MARGIN - 0.02


def test_key_neurons_of_one_question_differ_in_their_impurity() -> None:
    targets = key_targets(QUESTIONS["word"], random.Random(1), [False, False, True])
    assert len({target.response.parts[1][0].tokens for target in targets}) == 3
    assert [target.response.silent for target in targets] == [False, False, True]


def test_no_token_makes_up_most_of_an_impurity() -> None:
    for target in key_targets(QUESTIONS["word"], random.Random(2), [False] * 5):
        side = target.response.parts[1][0]
        assert side.tokens is not None
        shares = survey().token_shares[sorted(side.tokens)]
        assert shares.max() < 0.4 * shares.sum()


def test_plain_is_one_feature_alone() -> None:
    response = response_to("x", tokens=frozenset({4}), silent=True)
    assert response == Response(((Feature("x", tokens=frozenset({4})), 1.0),), silent=True)
    assert not response_to("x").silent


def test_a_near_miss_is_the_first_candidate_in_the_window() -> None:
    question = WORDS.ask(WORD)
    ids = sorted(question.feature.tokens or ())
    perfect = response_to("all", tokens=frozenset(ids))
    foreign = response_to("foreign", tokens=frozenset({0}))
    parts = [response_to(f"without {token}", tokens=frozenset(ids) - {token}) for token in ids]
    shares = [expected_statistic(part, question) / question.bar for part in parts]
    wanted = max(range(len(parts)), key=lambda i: shares[i])
    window = (shares[wanted] - 1e-6, shares[wanted] + 1e-6)
    found = near_miss(question, "some variants", [perfect, foreign, *parts], window)
    assert found is not None
    assert found.role == "some variants"
    assert found.response == parts[wanted]
    assert near_miss(question, "some variants", [perfect, foreign]) is None
    assert near_miss(question, "some variants", []) is None


@pytest.mark.parametrize(("direction", "sign"), [("rises", 1), ("falls", -1)])
def test_the_expected_statistic_is_positive_in_the_direction_asked_for(direction: Direction, sign: int) -> None:
    feature = word_feature(WORD)
    question = Question("unigram", WORD, feature, direction, 0.5)
    active, silent = Response(((feature, 1.0),)), Response(((feature, 1.0),), silent=True)
    assert expected_statistic(active, question) == pytest.approx(sign, abs=1e-3)
    assert expected_statistic(silent, question) == pytest.approx(-sign, abs=1e-3)


def test_where_either_sign_counts_the_expected_statistic_has_none() -> None:
    feature = word_feature(WORD)
    question = Question("syntax", WORD, feature, "either", 0.5)
    for silent in (False, True):
        response = Response(((feature, 1.0),), silent)
        assert expected_statistic(response, question) == pytest.approx(1, abs=1e-3)


def test_the_expected_statistic_of_a_letter_is_that_of_all_its_tokens() -> None:
    letter = suitable_letters()[0]
    question = LETTERS.ask(letter)
    half = frozenset(sorted(question.feature.tokens or ())[::2])
    assert 0 < expected_statistic(response_to("half", tokens=half), question) < 1
