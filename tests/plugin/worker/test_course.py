"""What earlier submissions are worth."""

from __future__ import annotations

import pytest

from scribe_suite.errors import InfrastructureError
from scribe_suite.ledger.records import SubmissionPoint
from scribe_suite.plugin.worker import course as module
from scribe_suite.plugin.worker.course import NOT_SCORED, OUT_OF_TIME, course
from scribe_suite.plugin.worker.submissions import Spend, Submission


def kept(*answers: str) -> list[Submission]:
    return [Submission(number, 10.0 * number, raw) for number, raw in enumerate(answers, start=1)]


def skills(points):
    return [(point.number, point.skill) for point in points]


def test_every_submission_is_a_point_with_what_had_been_used():
    submitted = [Submission(1, 2.0, "0.25", 700, 0.5, Spend(2, 64)), Submission(4, 9.0, "0.75")]
    assert course(submitted, 0.75, float) == (
        (
            SubmissionPoint(number=1, seconds=2.0, skill=0.25, tokens=700, cost_usd=0.5, experiments=2, spent=64),
            SubmissionPoint(number=4, seconds=9.0, skill=0.75),
        ),
        (),
    )


def test_the_last_one_is_not_scored_again_and_identical_ones_are_scored_once():
    asked = []

    def skill_of(raw):
        asked.append(raw)
        return float(raw)

    points, flags = course(kept("0.5", "0.1", "0.5", "0.1", "0.9", "0.9"), 1.0, skill_of)
    assert skills(points) == [(1, 0.5), (2, 0.1), (3, 0.5), (4, 0.1), (5, 1.0), (6, 1.0)]
    assert asked == ["0.1", "0.5"], "the newest first"
    assert flags == ()


@pytest.mark.parametrize("error", [ValueError("nan"), InfrastructureError("scoring_exception", "x"), MemoryError()])
def test_one_that_can_not_be_scored_is_left_out_and_said(error):
    def skill_of(raw):
        if raw == "bad":
            raise error
        return float(raw)

    points, flags = course(kept("0.5", "bad", "bad", "0.75"), 0.75, skill_of)
    assert skills(points) == [(1, 0.5), (4, 0.75)]
    assert flags == (NOT_SCORED,)


def test_scoring_ends_when_its_time_is_over_and_what_is_known_by_then_stays(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])

    def slow(raw):
        now[0] += module.SCORING_S * 0.6
        return float(raw)

    points, flags = course(kept("0.3", "0.1", "0.2", "0.3", "0.4"), 0.4, slow)
    assert skills(points) == [(1, 0.3), (3, 0.2), (4, 0.3), (5, 0.4)], "0.3 was scored, 0.1 is too late"
    assert flags == (OUT_OF_TIME,)
