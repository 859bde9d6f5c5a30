"""The steering family: one test per task, provider and trial."""

import pytest


@pytest.mark.family("steering")
def test_steering(attempt, record_metrics):
    record_metrics(attempt.metrics)
    attempt.require_solved()
