"""Predictions of neurons are judged by correlation, and what is no prediction is 0."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from scribe_suite.scoring.explanation import (
    EXPLANATION_METRICS,
    Truth,
    activations_of,
    predicted_activations,
    score_explanation,
)
from scribe_suite.scoring.submitted_function import FunctionResult
from tests.scoring.submitting import needs_namespaces

#: Two texts of four tokens; the first of each does not count.
ACTIVATIONS = np.array([9.0, 0.1, 6.0, 0.0, 9.0, 3.0, -0.1, 0.2])
STRATUM = np.array([-1, 1, 0, 2, -1, 0, 1, 2])
WEIGHTS = np.array([0, 1, 1, 1, 0, 1, 1, 1]) / 6
TRUTH = Truth(ACTIVATIONS, WEIGHTS, STRATUM, chance=0.5, ceiling=0.9)
TEXTS = [[5, 1, 2, 3], [5, 2, 1, 3]]


def bits(values):
    return tuple(struct.unpack(f"<{len(values)}q", struct.pack(f"<{len(values)}d", *values)))


def scored(*rows, truths=None):
    predictions = tuple(None if row is None else bits(row) for row in rows)
    return score_explanation(FunctionResult(predictions), [4, 4], truths or {"L2.N1": TRUTH})


def test_what_is_right_has_every_correlation_whatever_its_scale_and_the_first_token():
    score = scored([0.0, 1.0, 60.0, 0.0], [-100.0, 30.0, -1.0, 2.0])
    assert score.metrics == pytest.approx(dict.fromkeys(EXPLANATION_METRICS, 1.0))
    assert (score.primary, score.skill, score.chance, score.reference) == ("score", 1.0, 0.5, 0.9)


def test_the_opposite_is_the_opposite_and_a_constant_is_nothing():
    assert scored([0, -0.1, -6.0, 0], [0, -3.0, 0.1, -0.2]).metrics["score"] == pytest.approx(-1)
    assert scored([0, -0.1, -6.0, 0], [0, -3.0, 0.1, -0.2]).skill == -1.0
    assert scored([7.0] * 4, [7.0] * 4).metrics == dict.fromkeys(EXPLANATION_METRICS, 0.0)


def test_skill_is_between_chance_and_ceiling():
    predicted = np.array([0, 0.5, 1.0, 0.0, 0, 1.0, 0.0, 0.5])
    score = scored(predicted[:4], predicted[4:])
    assert score.skill == pytest.approx((score.metrics["score"] - 0.5) / 0.4)


def test_near_and_elsewhere_are_each_about_two_strata():
    # right about near misses, wrong elsewhere
    score = scored([0, 0, 6.0, 6.0], [0, 6.0, 0, 6.0])
    assert score.metrics["near"] > 0.9
    assert score.metrics["elsewhere"] == 0.0
    assert score.metrics["within"] == 0.0


def test_a_text_without_predictions_is_predicted_to_be_silent():
    assert activations_of((bits([1, 2, 3, 4]), None), [4, 4], 1).tolist() == [[1, 2, 3, 4, 0, 0, 0, 0]]
    assert activations_of(None, [4, 4], 2).tolist() == [[0.0] * 8] * 2
    assert scored(None, None).metrics["score"] == 0.0


def test_bit_patterns_that_are_no_numbers_count_as_0():
    assert activations_of((bits([float("nan"), float("inf"), -2.0, 0]),), [4], 1).tolist() == [[0, 0, -2.0, 0]]


def test_several_neurons_are_averaged_and_each_is_named_in_a_note():
    other = Truth(-ACTIVATIONS, WEIGHTS, STRATUM, chance=0.3, ceiling=1.0)
    rows = [ACTIVATIONS[:4], ACTIVATIONS[4:]]
    score = scored(*rows, *rows, truths={"L2.N1": TRUTH, "L2.N7": other})
    assert score.metrics["score"] == pytest.approx(0.0)
    assert (score.chance, score.reference) == pytest.approx((0.4, 0.95))
    assert score.notes == ("Correlation on hidden texts: L2.N1 1.000, L2.N7 -1.000.",)


def test_a_function_with_a_problem_is_flagged():
    score = score_explanation(FunctionResult(None, "It took too long.", "timeout"), [4, 4], {"L2.N1": TRUTH})
    assert (score.flags, score.notes, score.skill) == (("function_timeout",), ("It took too long.",), -1.0)


@needs_namespaces
@pytest.mark.parametrize("scale", [1.0, 1e-300, -1e300])
def test_submitted_code_is_run_text_by_text_and_its_numbers_keep_24_bits(scale):
    code = f"def predict(tokens):\n    return [token / 3 * {scale} for token in tokens]\n"
    result = predicted_activations(code, TEXTS, ["L2.N1"])
    assert result.problem is None
    expected = [token / 3 * scale for text in TEXTS for token in text]
    np.testing.assert_allclose(activations_of(result.predictions, [4, 4], 1)[0], expected, rtol=1e-6)


@needs_namespaces
def test_a_sum_in_the_order_of_a_set_of_strings_is_no_unstable_function():
    code = """
VALUES = {f"feature {number}": 0.1 * number - 1.7 for number in range(40)}


def predict(tokens):
    return [sum(VALUES[name] for name in set(VALUES)) + token for token in tokens]
"""
    texts = [[number, 1, 2, 3] for number in range(30)]
    assert predicted_activations(code, texts, ["L2.N1"]).problem is None


@needs_namespaces
def test_a_function_that_draws_numbers_is_unstable():
    code = "import random\n\n\ndef predict(tokens):\n    return [random.random() for _ in tokens]\n"
    assert predicted_activations(code, TEXTS, ["L2.N1"]).fault == "unstable"


@needs_namespaces
def test_of_several_neurons_code_is_told_which_one():
    code = "import numpy\ndef predict(tokens, neuron):\n    return numpy.full(len(tokens), int(neuron[-1]))\n"
    result = predicted_activations(code, TEXTS, ["L2.N1", "L2.N7"])
    assert activations_of(result.predictions, [4, 4], 2).tolist() == [[1.0] * 8, [7.0] * 8]


@needs_namespaces
def test_a_text_that_it_can_not_predict_costs_no_other():
    code = (
        "def predict(tokens):\n"
        "    if tokens[1] == 2:\n        raise KeyError(2)\n"
        "    return [-0.0] * len(tokens) if tokens[0] == 5 else [1.0]\n"
    )
    result = predicted_activations(code, [*TEXTS, [4, 1, 1, 1]], ["L2.N1"])
    assert result.fault == "labels"
    assert [row is None for row in result.predictions] == [False, True, True]
    assert activations_of(result.predictions, [4] * 3, 1).tolist() == [[0.0] * 12]


@needs_namespaces
def test_code_that_can_predict_nothing_says_why():
    texts = [[number, 1] for number in range(30)]
    result = predicted_activations("def predict(tokens):\n    return [float('nan')] * 2\n", texts, ["L2.N1"])
    assert result.problem is not None
    assert "an activation must be a finite number, got nan" in result.problem
    short = predicted_activations("def predict(tokens):\n    return [1.0]\n", texts, ["L2.N1"])
    assert "1 activations for 2 tokens" in (short.problem or "")


@needs_namespaces
def test_code_gets_strings_where_the_task_says_so():
    code = "def predict(tokens):\n    return [float(len(one)) for one in tokens]\n"
    strings = ["", "b", "cc", "ddd", "eeee", "<doc>", "not in any text"]
    result = predicted_activations(code, TEXTS, ["L2.N1"], strings)
    assert activations_of(result.predictions, [4, 4], 1).tolist() == [[5, 1, 2, 3, 5, 2, 1, 3]]
