"""One neuron per letter or none: accuracy over the letters, chance is "none" everywhere."""

from __future__ import annotations

import random
import statistics

import pytest

from scribe_suite.scoring.letters import LETTER_METRICS, score_letters
from scribe_suite.tasks.task import Score

TRUTH = {"a": {"L0.N1"}, "b": {"L0.N2", "L1.N7"}, "c": {"L2.N3"}, "d": {"L1.N4"}, "e": set()}
RIGHT = {"a": "L0.N1", "b": "L1.N7", "c": "L2.N3", "d": "L1.N4"}


def score(**submitted: str) -> Score:
    return score_letters(submitted, TRUTH, reference_accuracy=1.0)


def without(*letters: str) -> dict[str, str]:
    return {letter: neuron for letter, neuron in RIGHT.items() if letter not in letters}


def test_the_key_is_right_in_everything() -> None:
    found = score(**RIGHT)
    assert set(found.metrics) == set(LETTER_METRICS)
    assert found.metrics == dict.fromkeys(LETTER_METRICS, 1.0)
    assert (found.skill, found.primary, found.flags) == (1.0, "accuracy", ())


@pytest.mark.parametrize("neuron", ["L0.N2", "L1.N7"])
def test_any_neuron_of_a_letter_is_right(neuron: str) -> None:
    assert score(**{**RIGHT, "b": neuron}).metrics["success"] == 1.0


def test_saying_none_everywhere_is_chance() -> None:
    found = score()
    assert found.metrics == pytest.approx({"success": 0, "accuracy": 0.2, "f1": 0, "precision": 0, "recall": 0})
    assert found.chance == pytest.approx(0.2)
    assert found.skill == 0.0
    assert found.flags == ()


@pytest.mark.parametrize("absent", range(1, 30))
def test_saying_none_everywhere_is_never_below_chance_by_rounding(absent: int) -> None:
    letters = [f"letter {number}" for number in range(30)]
    truth = {letter: set() if i < absent else {"L0.N1"} for i, letter in enumerate(letters)}
    found = score_letters({}, truth, 1.0)
    assert (found.skill, found.flags) == (0.0, ())


@pytest.mark.parametrize(
    ("submitted", "metrics", "skill"),
    [
        # one letter left out: 3 + 1 of 5 letters are right
        (without("a"), {"accuracy": 4 / 5, "precision": 1, "recall": 3 / 4, "f1": 6 / 7}, (0.8 - 0.2) / 0.8),
        # a near miss for the letter that has none: 4 of 5
        ({**RIGHT, "e": "L0.N9"}, {"accuracy": 4 / 5, "precision": 4 / 5, "recall": 1, "f1": 8 / 9}, 0.75),
        # two letters exchanged: 2 + 1 of 5
        (
            {**RIGHT, "a": "L2.N3", "c": "L0.N1"},
            {"accuracy": 3 / 5, "precision": 1 / 2, "recall": 1 / 2, "f1": 1 / 2},
            0.5,
        ),
        # one letter alone
        ({"b": "L0.N2"}, {"accuracy": 2 / 5, "precision": 1, "recall": 1 / 4, "f1": 2 / 5}, 0.25),
    ],
    ids=["a letter left out", "a near miss for an absent letter", "two letters exchanged", "one letter alone"],
)
def test_partly_right_answers(submitted: dict[str, str], metrics: dict[str, float], skill: float) -> None:
    found = score(**submitted)
    assert found.metrics == pytest.approx({"success": 0, **metrics})
    assert found.skill == pytest.approx(skill)


def test_everything_wrong_is_worse_than_saying_none() -> None:
    found = score(**dict.fromkeys(TRUTH, "L2.N9"))
    assert found.metrics == dict.fromkeys(LETTER_METRICS, 0.0)
    assert found.skill == pytest.approx(-0.25)
    assert found.flags == ()


def test_random_neurons_have_no_skill() -> None:
    rng = random.Random(0)
    skills = [
        score(**{letter: f"L{rng.randrange(3)}.N{rng.randrange(512)}" for letter in TRUTH}).skill for _ in range(50)
    ]
    assert statistics.mean(skills) < -0.2


def test_one_right_neuron_for_every_letter_has_no_skill() -> None:
    assert score(**dict.fromkeys(TRUTH, "L0.N1")).skill == pytest.approx(0.0)


def test_skill_is_measured_against_the_reference() -> None:
    found = score_letters(without("a"), TRUTH, reference_accuracy=0.8)
    assert (found.skill, found.reference) == (pytest.approx(1.0), 0.8)
    assert found.metrics["success"] == 0.0


def test_where_every_letter_has_a_neuron_chance_is_nought() -> None:
    truth = {letter: neurons for letter, neurons in TRUTH.items() if neurons}
    assert score_letters({}, truth, 1.0).chance == 0.0
    assert score_letters(RIGHT, truth, 1.0).skill == 1.0


def test_a_letter_that_was_not_asked_for_is_refused() -> None:
    with pytest.raises(ValueError, match="the letters y, z were not asked for"):
        score(a="L0.N1", z="L0.N2", y="L0.N3")


@pytest.mark.parametrize("truth", [{}, {"a": set(), "b": set()}], ids=["no letter", "no neuron"])
def test_letters_without_any_neuron_cannot_be_scored(truth: dict[str, set[str]]) -> None:
    with pytest.raises(ValueError, match="a letter that has a neuron"):
        score_letters({}, truth, 1.0)
