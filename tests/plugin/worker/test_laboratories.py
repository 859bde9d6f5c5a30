"""What is told of an attempt's laboratory."""

from __future__ import annotations

import json

import numpy as np

from scribe_suite.plugin.worker.laboratories import spend_of, use_of
from scribe_suite.plugin.worker.submissions import Spend, SubmissionBox
from tests.laboratory.fakes import attempt, client
from tests.plugin.worker.test_submissions import SCHEMA, text


def test_a_submission_is_kept_with_what_was_spent_until_then(tmp_path):
    with attempt(tmp_path).desk as desk:
        lab = client(desk)
        box = SubmissionBox(SCHEMA, lambda _answer: None, spend=lambda: spend_of(desk))
        box.submit(text("m1"))
        for tokens in (np.arange(12).reshape(3, 4), np.arange(8).reshape(2, 4), np.arange(8).reshape(2, 4)):
            lab.run(tokens)
        box.submit(text("m2"))
        box.submit(text("m3"))
    assert [one.spend for one in box.kept] == [Spend(0, 0), Spend(2, 5), Spend(2, 5)]
    assert use_of(desk).bound is None
    use = use_of(desk, 24)
    assert use.bound == 24
    assert (use.experiments, use.spent, use.budget, use.repeated, use.unread) == (2, 5, 100, 1, 0)


def test_a_laboratory_that_nobody_uses_is_zero_in_every_column(tmp_path):
    """An agent may guess: nothing is spent, nothing has failed, and the record says so."""
    made = attempt(tmp_path)
    with made.desk as desk:
        box = SubmissionBox(SCHEMA, lambda _answer: None, spend=lambda: spend_of(desk))
        box.submit(text("m1"))
    assert [one.spend for one in box.kept] == [Spend(0, 0)]
    use = use_of(made.desk)
    assert (use.experiments, use.spent, use.budget) == (0, 0, 100)
    assert (use.repeated, use.refused, use.failed, use.unread) == (0, 0, 0, 0)
    first, last = (json.loads(line) for line in (tmp_path / "experiments.jsonl").read_text().splitlines())
    assert (first["event"], last["event"]) == ("laboratory", "end")
    assert (last["spent"], last["unread"]) == (0, [])
