"""The neurons family: one test per task, provider and trial."""

import pytest


@pytest.mark.family("neurons")
@pytest.mark.metrics("success", "f1", "precision", "recall", "rve")
def test_neuron(attempt, record_metrics):
    record_metrics(attempt.metrics)
    attempt.require_solved()
