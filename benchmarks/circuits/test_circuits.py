"""The circuits family: one test per task, provider and trial."""

import pytest


@pytest.mark.family("circuits")
@pytest.mark.metrics("iou", "precision", "recall", "f1")
def test_circuit(attempt, record_metrics):
    record_metrics(attempt.metrics)
    attempt.require_solved()
