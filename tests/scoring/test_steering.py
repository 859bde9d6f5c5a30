"""The score of a steering vector: 1 for the planted effect, 0 for none, less for a wrong claim."""

from __future__ import annotations

import pytest

from scribe_suite.planting.steering.added import NO_EFFECT, Effect
from scribe_suite.scoring.real_probes import MISSED, OVERCLAIM
from scribe_suite.scoring.steering import PAY_OFFS, SHIFT_METRICS, score_missed, score_null, score_shift


def of(effect: float) -> Effect:
    return Effect(effect, 0.01, 0.1, 0.25, effect / 2)


def test_the_planted_effect_has_skill_one_and_none_has_zero():
    score = score_shift(of(0.98), 0.98)
    assert score.skill == 1.0
    assert tuple(score.metrics) == SHIFT_METRICS
    assert (score.primary, score.metrics["effect"], score.metrics["against"], score.metrics["least"]) == (
        "effect", 0.98, 0.25, 0.49,
    )  # fmt: skip
    assert score_shift(NO_EFFECT, 0.98).skill == 0.0
    assert score_shift(of(0.49), 0.98).skill == pytest.approx(0.5)
    assert score_shift(of(1.0), 0.9).skill == 1.0


def test_wrong_claims_and_wrong_denials_cost():
    assert score_null(nothing_found=True).skill == 1.0
    wrong = score_null(nothing_found=False)
    assert (wrong.skill, wrong.flags) == (-1.0, (OVERCLAIM,))
    missed = score_missed(0.98)
    assert (missed.skill, missed.flags) == (-0.5, (MISSED,))


def test_no_answer_that_is_always_the_same_has_skill_on_average():
    null = PAY_OFFS.null_share
    assert null * PAY_OFFS.nothing + (1 - null) * PAY_OFFS.missed == pytest.approx(0.0)
    assert null * PAY_OFFS.overclaim + (1 - null) * score_shift(of(0.1), 1.0).skill < 0
