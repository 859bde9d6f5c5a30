import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon

from scribe_suite.analysis import consistency
from scribe_suite.analysis.consistency import outcome_consistency, trajectory_consistencies, trajectory_consistency


def test_outcomes_by_hand():
    found = outcome_consistency(np.array([4, 4, 4, 4]), np.array([0, 1, 2, 4]))
    assert found.tolist() == [1, 0.25, 0, 1]


def test_the_same_actions_in_the_same_shares_are_fully_consistent():
    assert trajectory_consistency(np.array([[2.0, 1], [4, 2], [2, 1]])) == pytest.approx(1)


def test_no_action_in_common_is_no_consistency():
    assert trajectory_consistency(np.array([[3.0, 0], [0, 1]])) == pytest.approx(0)


def test_three_attempts_by_hand():
    # two alike, one without a common action: divergences 0, 1, 1
    assert trajectory_consistency(np.array([[1.0, 0], [5, 0], [0, 2]])) == pytest.approx(1 - 2 / 3)


def test_the_divergence_is_scipys_distance_squared():
    counts = np.array([[3.0, 1, 0], [1, 1, 2]])
    assert 1 - trajectory_consistency(counts) == pytest.approx(jensenshannon(*counts, base=2) ** 2)


def test_tasks_without_two_known_trajectories_are_left_out():
    counts = np.array([[1.0, 0], [1, 0], [0, 0], [2, 1], [0, 0], [1, 1]])
    found = trajectory_consistencies(counts, np.array([0, 0, 1, 1, 1, 2]))
    assert found.values.tolist() == [pytest.approx(1)]
    assert trajectory_consistencies(np.zeros((2, 1)), np.array([0, 0])).count == 0


def test_of_very_many_attempts_at_a_task_the_first_are_compared(monkeypatch):
    monkeypatch.setattr(consistency, "_MOST_ATTEMPTS", 2)
    found = trajectory_consistencies(np.array([[1.0, 0], [1, 0], [0, 1]]), np.zeros(3, np.int64))
    assert found.values.tolist() == [pytest.approx(1)]


@given(st.lists(st.lists(st.integers(0, 9), min_size=3, max_size=3).filter(any), min_size=2, max_size=6))
@settings(max_examples=60, deadline=None)
def test_a_trajectory_consistency_is_a_share_and_knows_no_order(counts):
    rows = np.array(counts, np.float64)
    found = trajectory_consistency(rows)
    assert -1e-9 <= found <= 1 + 1e-9
    assert trajectory_consistency(rows[::-1, ::-1]) == pytest.approx(found)
