"""The parts of a record that are known while an attempt is made."""

from dataclasses import fields
from typing import Any

from scribe_suite.ledger.outcomes import Outcome, infrastructure
from scribe_suite.ledger.records import AttemptRecord
from scribe_suite.plugin.worker.attempt_state import AttemptState
from scribe_suite.plugin.worker.record_draft import EffortPart, RecordDraft, ScorePart
from scribe_suite.providers.base import EndReason, ProviderResult

IDENTITY = {"nodeid": "a", "task": "circuits/toy", "task_version": 1, "provider": "null", "trial": 0}
SCORE = ScorePart({"f1": 0.5}, "f1", 0.4, 0.1, 1.0, (0.2, 0.6), ("below_chance",))


def state() -> AttemptState:
    unknown: Any = None
    return AttemptState("a", unknown, unknown, 0.5, 0)


def test_an_empty_draft_says_what_a_record_says_by_default():
    by_default = AttemptRecord(**IDENTITY, outcome=Outcome.NO_ANSWER)
    assert AttemptRecord(**IDENTITY, outcome=Outcome.NO_ANSWER, **RecordDraft().fields()) == by_default


def test_every_field_of_a_draft_is_one_of_a_record():
    assert RecordDraft().fields().keys() < AttemptRecord.model_fields.keys()
    names = [field.name for kind in (EffortPart, ScorePart, RecordDraft) for field in fields(kind)]
    assert len(names) == len(set(names)), "no part hides a field of another"


def test_an_outcome_that_is_not_scored_drops_the_score_and_keeps_the_rest():
    attempt = state()
    attempt.draft.score = SCORE
    attempt.draft.effort = EffortPart.of(ProviderResult(EndReason.FINISHED, tokens={"input": 7}, cost_usd=0.5))
    attempt.draft.confidence = 0.9
    attempt.conclude(Outcome.UNSOLVED, "below")
    assert attempt.draft.score == SCORE
    attempt.conclude(infrastructure("kernel_start"), "gone")
    assert attempt.draft.score == ScorePart()
    assert (attempt.draft.effort.tokens, attempt.draft.confidence) == ({"input": 7}, 0.9)


def test_flags_and_metrics_are_added():
    draft = RecordDraft()
    draft.add_flags("one")
    draft.add_flags("two", "three")
    draft.add_metrics({"f1": 0.5, "iou": 0.1})
    draft.add_metrics({"f1": 0.7})
    assert draft.score == ScorePart(metrics={"f1": 0.7, "iou": 0.1}, flags=("one", "two", "three"))
