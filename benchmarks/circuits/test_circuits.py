"""The circuits family: one test per task, provider and trial; tasks differ in metrics, so no marker names them."""

import pytest


@pytest.mark.family("circuits")
def test_circuit(attempt, record_metrics):
    record_metrics(attempt.metrics)
    attempt.require_solved()
