"""Function and nodes in one score: neither half counts without the other, and no constant counts at all."""

from __future__ import annotations

import random

import pytest

from scribe_suite.scoring.behaviour import (
    BEHAVIOUR_METRICS,
    LONGEST_PROBLEM,
    combined_score,
    constant_exact_match,
    exact_match,
    function_skill,
    harmonic_mean,
    node_skill,
    score_behaviour,
)
from scribe_suite.scoring.sets import f1
from scribe_suite.scoring.submitted_function import FunctionResult, Labels
from scribe_suite.tasks.task import Score

LABELS: list[Labels] = [(0,)] * 5 + [(1,)] * 3 + [(2,)] * 2
TRUTH = {"a0.h1", "m0", "a1.h2"}
CHANCE_F1 = 0.4
NODES = [f"a{layer}.h{head}" for layer in range(2) for head in range(4)] + ["m0", "m1"]


def scored(predictions, submitted=TRUTH, reference: float = 1.0, labels=LABELS) -> Score:
    result = FunctionResult(None if predictions is None else tuple(predictions))
    return score_behaviour(result, labels, submitted, TRUTH, CHANCE_F1, reference)


def test_exact_match_counts_prompts_and_takes_a_missing_prediction_as_wrong():
    assert exact_match([(1,), None, (3,), (0,)], [(1,), (2,), (3,), (4,)]) == 0.5
    assert exact_match(None, [(1,)]) == 0.0


def test_all_labels_of_a_prompt_must_be_right():
    assert exact_match([(1, 2), (1, 3)], [(1, 2), (1, 2)]) == 0.5


def test_exact_match_needs_one_prediction_per_prompt():
    with pytest.raises(ValueError, match="zip"):
        exact_match([(1,)], [(1,), (2,)])
    for measure in (constant_exact_match, lambda labels: exact_match((), labels)):
        with pytest.raises(ValueError, match="needs prompts"):
            measure([])


def test_chance_is_the_best_constant():
    assert constant_exact_match(LABELS) == 0.5
    rng = random.Random(0)
    labels = [(rng.randrange(7),) for _ in range(300)]
    constants = [exact_match([(value,)] * 300, labels) for value in range(7)]
    assert constant_exact_match(labels) == max(constants)


def test_with_several_numbers_of_labels_chance_is_the_best_for_each_number():
    labels = [(1,), (1,), (2,), (1, 1), (1, 1), (1, 1), (2, 2)]
    assert constant_exact_match(labels) == pytest.approx(5 / 7)


def test_the_skill_of_a_function_is_what_it_adds_to_the_best_constant():
    assert [function_skill(exact, 0.5) for exact in (0.0, 0.5, 0.75, 1.0)] == [0.0, 0.0, 0.5, 1.0]
    with pytest.raises(ValueError, match="no function is distinguishable"):
        function_skill(1.0, 0.99)


def test_the_skill_of_nodes_is_what_they_add_to_the_best_guess():
    assert [node_skill(value, 0.5) for value in (0.0, 0.5, 0.75, 1.0)] == [0.0, 0.0, 0.5, 1.0]
    with pytest.raises(ValueError, match="no finding is distinguishable"):
        node_skill(1.0, 0.99)


def test_the_harmonic_mean_of_shares():
    assert harmonic_mean(1.0, 0.5) == pytest.approx(2 / 3)
    assert harmonic_mean(0.3, 0.3) == pytest.approx(0.3)
    assert harmonic_mean(0.0, 1.0) == harmonic_mean(1.0, 0.0) == harmonic_mean(0.0, 0.0) == 0.0


def test_the_right_function_and_nodes_have_skill_one_and_every_metric_in_order():
    score = scored(LABELS)
    assert tuple(score.metrics) == BEHAVIOUR_METRICS
    assert set(score.metrics.values()) == {1.0}
    assert (score.primary, score.skill, score.chance, score.flags) == ("combined", 1.0, 0.0, ())


def test_a_partly_right_answer():
    score = scored([(0,)] * 8 + [(2,)] * 2, {"m0", "a0.h1", "m1"})
    assert score.metrics["exact_match"] == 0.7
    assert score.metrics["f1"] == pytest.approx(2 / 3)
    assert score.metrics["combined"] == pytest.approx(harmonic_mean(0.4, (2 / 3 - CHANCE_F1) / (1 - CHANCE_F1)))
    assert score.skill == score.metrics["combined"]
    assert scored([(0,)] * 8 + [(2,)] * 2, {"m0", "a0.h1", "m1"}, reference=0.8).skill == pytest.approx(
        score.skill / 0.8
    )


DEGENERATE = {
    "no function, right nodes": (None, TRUTH),
    "best constant, right nodes": ([(0,)] * 10, TRUTH),
    "another constant, right nodes": ([(2,)] * 10, TRUTH),
    "no valid prediction": ([None] * 10, TRUTH),
    "right function, no nodes": (LABELS, ()),
    "right function, wrong nodes": (LABELS, set(NODES) - TRUTH),
    "right function, one right node among many": (LABELS, {"m0", "m1", "a0.h0", "a0.h2"}),
    "nothing": (None, ()),
}


@pytest.mark.parametrize("kind", DEGENERATE)
def test_half_an_answer_has_no_skill(kind):
    assert scored(*DEGENERATE[kind]).skill == 0.0


def test_the_right_function_does_not_carry_a_guess_of_nodes():
    everything = frozenset(NODES)
    result = FunctionResult(tuple(LABELS))
    chance = f1(everything, frozenset(TRUTH))
    assert combined_score(result, LABELS, everything, TRUTH, chance) == 0.0
    assert combined_score(result, LABELS, everything, TRUTH, 0.0) == pytest.approx(harmonic_mean(1.0, chance))
    assert combined_score(result, LABELS, TRUTH, TRUTH, chance) == 1.0


def test_random_labels_with_the_right_nodes_have_next_to_no_skill():
    rng = random.Random(1)
    labels = [(rng.randrange(4),) for _ in range(200)]
    skills = [scored([(rng.randrange(4),) for _ in labels], labels=labels).skill for _ in range(100)]
    assert sum(skills) / len(skills) <= 0.05


def test_a_function_with_a_problem_is_flagged():
    result = FunctionResult(None, "The submitted function took too long.", "timeout")
    score = score_behaviour(result, LABELS, TRUTH, TRUTH, CHANCE_F1, 1.0)
    assert (score.flags, score.notes) == (("function_timeout",), ("The submitted function took too long.",))
    assert scored(LABELS).notes == ()


def test_a_long_problem_is_cut():
    result = FunctionResult(None, "The submitted function raised " + "x" * 10_000, "failed")
    (note,) = score_behaviour(result, LABELS, TRUTH, TRUTH, CHANCE_F1, 1.0).notes
    assert len(note) == LONGEST_PROBLEM
    assert note.startswith("The submitted function raised xxx")
    assert note.endswith("xxx...")
