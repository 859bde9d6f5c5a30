"""The saes family: one test per task, provider and trial."""

import pytest


@pytest.mark.family("saes")
def test_sae(attempt, record_metrics):
    record_metrics(attempt.metrics)
    attempt.require_solved()
