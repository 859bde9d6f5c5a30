from pathlib import Path

import numpy as np
import pytest

from scribe_suite.analysis.columns import attempts_of
from scribe_suite.analysis.pairing import sides_of
from scribe_suite.analysis.reliability import reliability
from scribe_suite.analysis.statistics import Estimate
from scribe_suite.ledger.sources import RecordedRun, RunInfo
from tests.ledger.factories import attempt, failed

TASKS = [f"circuits/t{number}" for number in range(8)]


def found(records):
    """The reliability of the only side of a run."""
    attempts = attempts_of([RecordedRun(RunInfo(Path("r"), "r"), records)])
    (side,) = sides_of(attempts)
    return reliability(attempts, side.rows[attempts.counts[side.rows]])


def told(task, trial=0, *, solved=True, confidence=0.9, **changes):
    values = {"confidence": confidence, "confidence_of": "solved", "nothing_found": False, **changes}
    return attempt(task, trial=trial, skill=1.0 if solved else 0.0, **values)


def test_only_attempts_that_count_and_tell_a_confidence_are_calibrated():
    records = [told(task, solved=task != TASKS[0]) for task in TASKS]
    records += [failed("no_answer", trial=1), failed(trial=2), told(TASKS[1], 1, confidence=None)]
    calibration = found(records).calibration
    assert (calibration.told, calibration.older) == (8, 0)
    assert calibration.solved_rate == pytest.approx(7 / 8)
    assert calibration.difference.value == pytest.approx(0.9 - 7 / 8)
    assert calibration.difference.interval is not None
    assert sum(one.attempts for one in calibration.bins) == 8


@pytest.mark.parametrize("confidence", [-0.1, 1.5, 1e300])
def test_what_is_no_probability_is_no_confidence(confidence):
    assert found([told(TASKS[0], confidence=confidence)]).calibration.told == 0


def test_without_confidences_there_are_no_numbers():
    calibration = found([attempt(task) for task in TASKS]).calibration
    assert (calibration.told, calibration.brier, calibration.bins) == (0, Estimate(), ())
    assert calibration.error_if_calibrated is None


def test_confidences_of_the_older_definition_are_counted():
    records = [told(TASKS[0]), told(TASKS[1], confidence_of=None), attempt(TASKS[2])]
    assert found(records).calibration.older == 1


def test_nothing_found_and_no_answer_are_rates_over_tasks():
    records = [
        told(TASKS[0], 0, nothing_found=True),
        told(TASKS[0], 1, solved=False, nothing_found=True),
        told(TASKS[1], 0),
        told(TASKS[1], 1, solved=False),
        told(TASKS[2], 0),
        failed("no_answer", task=TASKS[2], provider="reference", trial=1),
    ]
    abstention = found(records).abstention
    assert abstention.nothing_found.value == pytest.approx(1 / 3)
    assert (abstention.nothing_found_count, abstention.nothing_found_solved) == (2, 1)
    assert abstention.no_answer.value == pytest.approx((0 + 0 + 1 / 2) / 3)
    assert abstention.no_answer_count == 1
    assert abstention.finding_solved.value == pytest.approx((1 / 2 + 1) / 2)


def test_consistency_is_of_tasks_with_several_attempts():
    same, other = {"execute_code": 4, "submit_answer": 1}, {"list_cells": 2}
    records = [
        told(TASKS[0], 0, actions=same),
        told(TASKS[0], 1, solved=False, actions=other),
        told(TASKS[1], 0, actions=same),
        told(TASKS[1], 1, actions={"execute_code": 8, "submit_answer": 2}),
        told(TASKS[2], 0),
        told(TASKS[2], 1),
        told(TASKS[3], 0, actions=same),
    ]
    consistency = found(records).consistency
    assert (consistency.tasks, consistency.outcome.value) == (3, pytest.approx((0 + 1 + 1) / 3))
    assert (consistency.trajectory_tasks, consistency.trajectory.value) == (2, pytest.approx((0 + 1) / 2))


def test_numbers_of_calls_that_nobody_made_do_no_harm():
    odd = [{"a": 10**400, "b": 1}, {"a": -5, "b": 1}, {"a": 10**300}]
    records = [told(TASKS[0], trial, actions=actions) for trial, actions in enumerate(odd)]
    assert 0 <= found(records).consistency.trajectory.value <= 1


def test_one_attempt_has_no_consistency_and_no_interval():
    one = found([told(TASKS[0])])
    assert (one.consistency.tasks, one.consistency.outcome) == (0, Estimate())
    assert one.calibration.brier == Estimate(pytest.approx(0.01), None)


def test_the_interval_of_a_rate_that_was_never_seen_is_no_point():
    assert np.ptp(found([told(task) for task in TASKS]).abstention.no_answer.interval) > 0
