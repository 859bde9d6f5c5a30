"""Predictions under patches are judged stratum by stratum, changed labels as much as others."""

from __future__ import annotations

import pytest

from scribe_suite.scoring.mechanism import (
    MECHANISM_METRICS,
    Patched,
    balanced_match,
    blind_score,
    predicted_labels,
    score_mechanism,
)
from scribe_suite.scoring.submitted_function import FunctionResult
from tests.scoring.submitting import needs_namespaces

NODES = ["a0.h0", "a0.h1", "m0"]
#: In one stratum one label of four changes, in the other one of two; one is neither prompt's own.
TRIPLES = [
    Patched("one", label=1, clean=0, source=1),
    *[Patched("one", label=0, clean=0, source=1)] * 3,
    Patched("two", label=2, clean=0, source=1),
    Patched("two", label=0, clean=0, source=1),
]
RIGHT = [triple.label for triple in TRIPLES]


def scored(predictions):
    return score_mechanism(FunctionResult(tuple((label,) for label in predictions)), TRIPLES, ceiling=1.0)


def test_changed_labels_weigh_as_much_as_others_and_strata_the_same():
    assert balanced_match(RIGHT, TRIPLES) == 1.0
    assert balanced_match([0, 0, 0, 0, 0, 0], TRIPLES) == 0.5
    assert balanced_match([1, 0, 0, 9, None, 0], TRIPLES) == pytest.approx(((1 + 2 / 3) / 2 + 0.5) / 2)
    assert balanced_match([0, 0], TRIPLES[2:4]) == 1.0  # nothing changes there
    with pytest.raises(ValueError, match="there are none"):
        balanced_match([], [])


def test_chance_is_the_best_answer_without_a_mechanism():
    assert blind_score(TRIPLES) == 0.5
    copied = [Patched("one", label=1, clean=0, source=1)] * 3 + [Patched("one", label=1, clean=1, source=1)]
    assert blind_score(copied) == 1.0  # the source's label


def test_a_score_says_how_changed_unchanged_and_new_labels_were_predicted():
    score = scored([1, 0, 0, 0, 1, 0])
    assert score.metrics == {"score": 0.75, "changed": 0.5, "unchanged": 1.0, "novel": 0.0}
    assert (score.primary, score.skill, score.chance, score.reference) == ("score", 0.5, 0.5, 1.0)
    assert tuple(score.metrics) == MECHANISM_METRICS
    assert scored(RIGHT).skill == 1.0
    assert scored([0] * 6).skill == 0.0


def test_the_ceiling_is_skill_one_and_no_predictions_are_all_wrong():
    result = FunctionResult(tuple((label,) for label in RIGHT))
    assert score_mechanism(result, TRIPLES, ceiling=0.9).skill == 1.0
    score = score_mechanism(FunctionResult(None, "It took too long.", "timeout"), TRIPLES, ceiling=1.0)
    assert (score.skill, score.metrics["score"], score.flags) == (-1.0, 0.0, ("function_timeout",))
    assert score.notes == ("It took too long.",)


BASE, SOURCE = [[1, 2], [3, 4], [5, 6]], [[7, 8], [9, 10], [11, 12]]
PATCHED = [["m0"], ["a0.h1", "a0.h0"], []]


@needs_namespaces
def test_code_gets_both_prompts_and_the_names_of_the_nodes():
    code = 'def predict(base, source, patched):\n    return 100 * base[0] + source[1] + 1000 * ("m0" in patched)'
    result = predicted_labels(code, BASE, SOURCE, PATCHED, NODES)
    assert result.predictions == ((1108,), (310,), (512,))
    code = "def predict(base, source, patched):\n    return len(patched) + (patched == ['a0.h1', 'a0.h0'])"
    assert predicted_labels(code, BASE, SOURCE, PATCHED, NODES).predictions == ((1,), (3,), (0,))


@needs_namespaces
def test_a_call_that_raises_is_wrong_alone_and_all_that_raise_are_told():
    code = "def predict(base, source, patched):\n    return 7 // len(patched)"
    result = predicted_labels(code, BASE, SOURCE, PATCHED, NODES)
    assert (result.predictions, result.fault) == (((7,), (3,), None), "labels")
    many = [[number, 0] for number in range(300)]
    result = predicted_labels(code, many, many, [[]] * 300, NODES)
    assert result.predictions is None
    assert result.problem is not None
    assert "raised ZeroDivisionError at line 2" in result.problem
