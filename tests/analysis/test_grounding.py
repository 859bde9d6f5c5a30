"""Shares over the claims of a side."""

import csv
import io

import numpy as np
import pytest

from scribe_suite.analysis.comparison import compare_runs
from scribe_suite.analysis.grounding import COUNTS, grounding_shares
from scribe_suite.analysis.presentation.formats import as_csv
from tests.ledger.factories import attempt, failed, write_ledger


def counts(**known):
    return dict.fromkeys(COUNTS, 0) | known


def test_shares_are_of_all_claims_and_numbers_of_a_provider(tmp_path):
    records = [
        attempt(trial=0, grounding=counts(claims=4, supported=3, numbers=6, traced=3, contradicted=1, untold=2)),
        attempt(trial=1, grounding=counts(numbers=2, traced=2, replayed=4, reproduced=3, failed_checks=1)),
        failed("no_answer", trial=2),
        failed(trial=3, grounding=counts(claims=9)),  # infrastructure is in no number
        attempt(provider="null", trial=0),
    ]
    comparison = compare_runs([write_ledger(tmp_path / "r.jsonl", records)])
    null, reference = sorted(comparison.sides, key=lambda side: side.provider)
    assert null.grounding is None
    found = reference.grounding
    assert (found.attempts, found.claims, found.numbers, found.untold, found.failed_checks) == (2, 4, 8, 2, 1)
    assert (found.provenance, found.contradicted, found.reproduced) == pytest.approx((8 / 12, 1 / 12, 3 / 4))
    rows = [row for row in csv.reader(io.StringIO(as_csv(comparison))) if row[0] == "claims"]
    assert ["claims", "reference", "", "Claims", "4"] in rows
    assert not [row for row in rows if row[1] == "null"]


def test_without_any_answer_that_was_checked_there_is_no_table(tmp_path):
    comparison = compare_runs([write_ledger(tmp_path / "r.jsonl", [attempt()])])
    assert "claims," not in as_csv(comparison)


def test_a_share_of_nothing_is_none():
    columns = {name: np.zeros(1) for name in COUNTS}
    found = grounding_shares(columns, np.array([0]))
    assert (found.attempts, found.provenance, found.contradicted, found.reproduced) == (1, None, None, None)
