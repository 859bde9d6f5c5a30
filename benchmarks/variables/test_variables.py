"""The variables family: one test per task, provider and trial."""

import pytest


@pytest.mark.family("variables")
def test_variable(attempt, record_metrics):
    record_metrics(attempt.metrics)
    attempt.require_solved()
