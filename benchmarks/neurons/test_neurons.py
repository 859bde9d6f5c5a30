"""The neurons family: one test per task, provider and trial."""

import pytest


@pytest.mark.family("neurons")
def test_neuron(attempt, record_metrics):
    record_metrics(attempt.metrics)
    attempt.require_solved()
