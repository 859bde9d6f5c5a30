"""The score of sums and heads: pairs count, and naming everything is worth nothing."""

from __future__ import annotations

import pytest

from scribe_suite.scoring.carriers import CARRIER_METRICS, exchange_rate, score_carriers

TRUTH = {(1, 4): ("a1.h0",), (1, 4, 6): ("a2.h3", "a2.h5")}
EVERYTHING = {of: [f"a{len(of) - 1}.h{head}" for head in range(8)] for of in [(1, 4), (1, 6), (4, 6), (1, 4, 6)]}


def test_the_truth_has_skill_one_in_any_order():
    score = score_carriers({(1, 4, 6): ("a2.h5", "a2.h3"), (1, 4): ("a1.h0",)}, TRUTH, EVERYTHING, 1.0)
    assert tuple(score.metrics) == CARRIER_METRICS
    assert (score.skill, score.reference) == (1.0, 1.0)
    assert set(score.metrics.values()) == {1.0}


def test_everything_has_no_skill_and_nothing_has_less():
    assert score_carriers(EVERYTHING, TRUTH, EVERYTHING, 0.0).skill == 0.0
    assert -0.25 < score_carriers({}, TRUTH, EVERYTHING, 0.0).skill < 0.0


def test_a_right_sum_with_a_wrong_head_is_no_pair():
    score = score_carriers({(1, 4): ("a1.h1",)}, TRUTH, EVERYTHING, 0.0)
    assert score.metrics["f1"] == 0.0
    assert score.metrics["sums_f1"] == pytest.approx(2 / 3)


def test_parts_of_the_truth_are_credited_by_degree():
    score = score_carriers({(1, 4): ("a1.h0",), (1, 4, 6): ("a2.h3",)}, TRUTH, EVERYTHING, 1.0)
    assert score.metrics["precision"] == 1.0
    assert score.metrics["f1"] == pytest.approx(4 / 5)


def test_a_sum_without_heads_is_not_claimed():
    assert score_carriers({(1, 4): ()}, TRUTH, EVERYTHING, 0.0).metrics["sums_f1"] == 0.0


@pytest.mark.parametrize(("changed", "unchanged", "rate"), [(1.0, 1.0, 1.0), (0.0, 1.0, 0.0), (0.3, 0.3, 0.0)])
def test_doing_nothing_and_exchanging_everything_have_no_rate(changed, unchanged, rate):
    assert exchange_rate(changed, unchanged) == rate
