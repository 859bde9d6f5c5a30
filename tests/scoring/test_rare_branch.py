"""Code that predicts an exception is judged where it holds as much as elsewhere, and silence where there is none."""

from __future__ import annotations

import pytest

from scribe_suite.scoring.rare_branch import (
    HOLDS,
    ORDINARY,
    PAY_OFFS,
    RARE_BRANCH_METRICS,
    Judged,
    balanced_share,
    predicted_labels,
    score_missed,
    score_null,
    score_rare_branch,
)
from scribe_suite.scoring.submitted_function import FunctionResult
from tests.scoring.submitting import needs_namespaces

#: The exception is label 9.
JUDGED = [
    *[Judged(HOLDS, 9, label) for label in (0, 1)],
    *[Judged("order", label, label) for label in (0, 1, 2, 3)],
    *[Judged("distance", label, label) for label in (0, 1)],
    *[Judged(ORDINARY, label, label) for label in (2, 3)],
]
RIGHT = [one.label for one in JUDGED]
USUAL = [one.ordinary for one in JUDGED]


def scored(predictions, ceiling: float = 1.0):
    return score_rare_branch(FunctionResult(tuple((label,) for label in predictions)), JUDGED, ceiling)


def test_where_it_holds_weighs_as_much_as_all_other_kinds_and_these_the_same():
    assert balanced_share(RIGHT, JUDGED) == 1.0
    assert balanced_share(USUAL, JUDGED) == 0.5
    assert balanced_share([9] * 10, JUDGED) == 0.5
    assert balanced_share([9, None, *RIGHT[2:]], JUDGED) == 0.75
    assert balanced_share([*RIGHT[:2], 9, 9, 9, 9, *RIGHT[6:]], JUDGED) == pytest.approx((1 + 2 / 3) / 2)
    assert balanced_share([*RIGHT[:6], 9, 9, *RIGHT[8:]], JUDGED) == pytest.approx((1 + 2 / 3) / 2)
    with pytest.raises(ValueError, match="some are missing"):
        balanced_share(RIGHT[2:], JUDGED[2:])
    with pytest.raises(ValueError, match="longer"):
        balanced_share(RIGHT[1:], JUDGED)


def test_a_score_says_how_each_sort_of_prompts_was_predicted():
    score = scored([9, 0, 0, 1, 2, 9, 0, 9, 2, 3])
    assert score.metrics == {"score": pytest.approx((0.5 + 0.75) / 2), "holds": 0.5, "nearly": 0.625, "ordinary": 1.0}
    assert tuple(score.metrics) == RARE_BRANCH_METRICS
    assert (score.primary, score.chance, score.reference) == ("score", 0.5, 1.0)
    assert score.skill == pytest.approx(0.25)


@pytest.mark.parametrize(
    ("predictions", "skill"),
    [(RIGHT, 1.0), (USUAL, 0.0), ([9] * 10, 0.0), ([7] * 10, -1.0), ([0, 1, *[9] * 8], -1.0)],
    ids=["right", "ordinary", "exception", "neither", "inverted"],
)
def test_cheap_answers_have_no_skill(predictions, skill):
    assert scored(predictions).skill == pytest.approx(skill, abs=1e-9)


def test_the_ceiling_is_skill_one_and_no_predictions_are_all_wrong():
    assert scored(RIGHT, ceiling=0.9).skill == 1.0
    score = score_rare_branch(FunctionResult(None, "It took too long.", "timeout"), JUDGED, 1.0)
    assert (score.skill, score.metrics["score"], score.flags) == (-1.0, 0.0, ("function_timeout",))
    assert score.notes == ("It took too long.",)


def test_silence_pays_where_there_is_nothing_and_always_being_silent_does_not():
    assert (score_null(nothing_found=True).skill, score_null(nothing_found=True).flags) == (1.0, ())
    assert (score_null(nothing_found=False).skill, score_null(nothing_found=False).flags) == (-1.0, ("overclaim",))
    missed = score_missed(JUDGED, 1.0)
    assert (missed.skill, missed.metrics["score"], missed.flags) == (-0.5, 0.5, ("missed",))
    assert PAY_OFFS.always_silent <= 1e-9
    assert PAY_OFFS.always_unfounded < 0


CLASSES, BACK = [3, 0, 1, 2], 1
PROMPTS = [[0, 1, 2, 3], [0, 3, 1, 2], [0, 2, 3, 1]]


@needs_namespaces
def test_code_gets_a_prompt_and_may_ask_for_the_ordinary_label():
    code = "def predict(prompt):\n    return 9 if prompt[1] == 3 else ordinary(prompt)"
    assert predicted_labels(code, PROMPTS, CLASSES, BACK).predictions == ((1,), (9,), (2,))
    code = "def ordinary(prompts):\n    return 7\n\n\ndef predict(prompt):\n    return ordinary(prompt)"
    assert predicted_labels(code, PROMPTS, CLASSES, BACK).predictions == ((7,), (7,), (7,)), "its own one is kept"


@needs_namespaces
def test_a_call_that_raises_is_wrong_alone_and_all_that_raise_are_told():
    code = "def predict(prompt):\n    return 6 // (prompt[1] - 3)"
    result = predicted_labels(code, PROMPTS, CLASSES, BACK)
    assert (result.predictions, result.fault) == (((-3,), None, (-6,)), "labels")
    many = [[0, number, 0] for number in range(300)]
    result = predicted_labels("def predict(prompt):\n    return nothing", many, CLASSES, BACK)
    assert result.predictions is None
    assert result.problem is not None
    assert "raised NameError at line 2" in result.problem
