import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import brier_score_loss

from scribe_suite.analysis import calibration
from scribe_suite.analysis.calibration import MEASURES, ToldConfidences, bins, intervals, risk_at

#: Four attempts at four tasks: two solved with 0.9 and 0.6, two not, with 0.8 and 0.2.
BY_HAND = ([0.9, 0.6, 0.8, 0.2], [1, 1, 0, 0])


def told(confidence, solved, tasks=None):
    """Attempts at one task each, where nothing else is said."""
    codes = np.arange(len(confidence)) if tasks is None else np.array(tasks)
    return ToldConfidences.of(np.array(confidence, np.float64), np.array(solved, np.float64), codes)


def measured(*attempts):
    return {name: float(measure(told(*attempts).table)) for name, measure in MEASURES.items()}


def test_all_numbers_by_hand():
    found = measured(*BY_HAND)
    assert found["brier"] == pytest.approx((0.01 + 0.16 + 0.64 + 0.04) / 4)
    assert found["brier_skill"] == pytest.approx(1 - 0.2125 / 0.25)
    # each attempt is alone in its bin
    assert found["calibration_error"] == pytest.approx((0.1 + 0.4 + 0.8 + 0.2) / 4)
    assert found["overconfidence"] == pytest.approx((0.8 + 0.2) / 4)
    assert found["underconfidence"] == pytest.approx((0.1 + 0.4) / 4)
    assert found["confidence_minus_solved"] == pytest.approx(0.625 - 0.5)
    # solved, failed, solved, failed, a quarter each: the areas under (failures so far) / (coverage so far)
    second = 0.25 - 0.25 * math.log(2)
    third = 0.25 * math.log(1.5)
    last = 0.25 + (0.25 - 0.75) * math.log(4 / 3)
    assert found["risk_coverage"] == pytest.approx((0.5 - second - third - last) / (-0.5 * math.log(0.5)))


def test_tasks_have_the_same_weight_however_many_attempts_they_have():
    found = told([0.9, 0.9, 0.9, 0.2], [1, 1, 1, 0], [0, 0, 0, 7]).table
    assert calibration.solved_rate(found) == pytest.approx(0.5)
    assert calibration.mean_confidence(found) == pytest.approx(0.55)
    assert calibration.brier(found) == pytest.approx((0.01 + 0.04) / 2)


def test_the_confidences_of_one_bin_are_taken_together():
    # half of the attempts with 0.4 and 0.48 are solved
    found = measured([0.4, 0.48], [1, 0])
    assert found["calibration_error"] == pytest.approx(0.06)
    assert (found["underconfidence"], found["overconfidence"]) == (pytest.approx(0.06), 0)


@pytest.mark.parametrize(
    ("confidence", "low"), [(0.0, 0.0), (0.1, 0.1), (0.3, 0.3), (0.29, 0.2), (0.7, 0.7), (0.999, 0.9), (1.0, 0.9)]
)
def test_a_bin_has_its_lower_end_and_the_last_one_both(confidence, low):
    (found,) = bins(told([confidence], [1]))
    assert (found.low, found.high) == pytest.approx((low, low + 0.1))
    assert (found.attempts, found.confidence, found.solved_rate) == (1, pytest.approx(confidence), 1)


def test_brier_is_sklearns():
    generator = np.random.default_rng(1)
    confidence, solved = generator.uniform(size=50).round(2), generator.integers(2, size=50)
    assert measured(confidence, solved)["brier"] == pytest.approx(brier_score_loss(solved, confidence))


def test_telling_the_own_solved_rate_has_no_skill_and_foreknowledge_all():
    base = measured([0.25] * 4, [1, 0, 0, 0])
    assert (base["brier_skill"], base["risk_coverage"], base["calibration_error"]) == pytest.approx((0, 0, 0))
    knows = measured([1, 0, 0, 0], [1, 0, 0, 0])
    assert (knows["brier_skill"], knows["risk_coverage"], knows["brier"]) == pytest.approx((1, 1, 0))
    # the order alone makes the risk-coverage score
    assert measured([0.2, 0.1, 0.1, 0.0], [1, 0, 0, 0])["risk_coverage"] == pytest.approx(1)
    assert measured([0.0, 0.1, 0.2, 0.3], [1, 0, 0, 0])["risk_coverage"] < 0


@pytest.mark.parametrize("solved", [0, 1])
def test_where_all_is_solved_or_nothing_no_skill_is_defined(solved):
    confidences = told([0.9, 0.8] * 4, [solved] * 8)
    found, around = measured([0.9, 0.8] * 4, [solved] * 8), intervals(confidences)
    for name in ("brier_skill", "risk_coverage"):
        assert math.isnan(found[name])
        assert around[name] is None
    assert found["confidence_minus_solved"] == pytest.approx(0.85 - solved)
    assert around["brier"][0] <= found["brier"] <= around["brier"][1]


def test_a_skill_that_few_resamples_have_has_no_interval():
    # one failure among eight tasks: a third of the resamples lack it
    assert intervals(told([0.9] * 8, [1] * 7 + [0]))["brier_skill"] is None
    assert intervals(told([0.9] * 8, [1] * 7 + [0]))["brier"] is not None


def test_one_attempt_has_numbers_and_no_interval():
    assert measured([0.7], [1])["brier"] == pytest.approx(0.09)
    assert set(intervals(told([0.7], [1])).values()) == {None}


def test_no_attempt_has_no_interval():
    assert set(intervals(told([], [])).values()) == {None}


def test_the_interval_of_a_mean_is_that_of_every_other_mean():
    from scribe_suite.analysis.statistics import Grouped, bootstrap_interval

    generator = np.random.default_rng(2)
    confidence, solved = generator.uniform(size=60).round(2), generator.integers(2, size=60).astype(float)
    for tasks in (np.repeat(np.arange(20), 3), np.repeat(np.arange(3), 20)):  # tasks are drawn, and attempts
        expected = bootstrap_interval(Grouped.of((confidence - solved) ** 2, tasks))
        assert intervals(told(confidence, solved, tasks))["brier"] == pytest.approx(expected, abs=0.01)


def test_what_is_expected_of_a_calibrated_agent_falls_with_the_attempts():
    def expected(number):
        confidences = told(np.tile([0.35, 0.65, 0.85], number), np.ones(3 * number))
        return calibration.calibration_error(confidences.if_calibrated()).mean()

    assert expected(5) > expected(50) > expected(500)
    # one attempt with 0.85: the bin is off by 0.15 or by 0.85
    once = calibration.calibration_error(told([0.85], [1]).if_calibrated()).mean()
    assert once == pytest.approx(0.85 * 0.15 + 0.15 * 0.85, abs=0.03)


def test_the_curve_by_hand():
    risk, least = risk_at(told(*BY_HAND).table, np.array([0.25, 0.5, 0.75, 1.0]))
    assert risk == pytest.approx([0, 1 / 2, 1 / 3, 1 / 2])
    assert least == pytest.approx([0, 0, 1 / 3, 1 / 2])


def test_more_confidences_than_are_told_apart_are_rounded():
    confidence = np.linspace(0, 1, 5000)
    found = told(confidence, np.ones(5000))
    assert len(found.levels) == 101
    assert calibration.mean_confidence(found.table) == pytest.approx(0.5)


ATTEMPTS = st.lists(
    st.tuples(st.integers(0, 20).map(lambda n: n / 20), st.booleans(), st.integers(0, 7)), min_size=1, max_size=40
)


@given(ATTEMPTS)
@settings(max_examples=100, deadline=None)
def test_numbers_keep_to_their_ranges_and_add_up(attempts):
    found = measured(*zip(*attempts, strict=True))
    assert found["overconfidence"] + found["underconfidence"] == pytest.approx(found["calibration_error"])
    assert found["overconfidence"] - found["underconfidence"] == pytest.approx(found["confidence_minus_solved"])
    assert 0 <= found["brier"] <= 1 + 1e-9
    assert abs(found["confidence_minus_solved"]) <= found["calibration_error"] + 1e-9
    assert not found["brier_skill"] > 1 + 1e-9
    assert not found["risk_coverage"] > 1 + 1e-9


@given(ATTEMPTS, st.randoms())
@settings(max_examples=30, deadline=None)
def test_the_order_of_attempts_makes_no_difference(attempts, random):
    shuffled = random.sample(attempts, len(attempts))
    one, other = measured(*zip(*attempts, strict=True)), measured(*zip(*shuffled, strict=True))
    assert one == pytest.approx(other, nan_ok=True)


@given(ATTEMPTS)
@settings(max_examples=50, deadline=None)
def test_a_strictly_rising_change_of_confidence_leaves_the_risk_coverage_score(attempts):
    confidence, solved, tasks = zip(*attempts, strict=True)
    changed = [one**2 / 2 for one in confidence]
    first, second = measured(confidence, solved, tasks), measured(changed, solved, tasks)
    assert first["risk_coverage"] == pytest.approx(second["risk_coverage"], nan_ok=True)
