"""The probes family: one test per task, provider and trial."""

import pytest


@pytest.mark.family("probes")
@pytest.mark.metrics("accuracy", "auroc", "control_accuracy", "selectivity")
def test_probe(attempt, record_metrics):
    record_metrics(attempt.metrics)
    attempt.require_solved()
