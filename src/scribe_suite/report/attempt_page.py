"""The page of an attempt: its result, its answer, and how the agent got there."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scribe_suite.ledger.records import AttemptRecord
from scribe_suite.report.answer_views import AnswerView, answer_view, read_answer
from scribe_suite.report.anytime import course_view
from scribe_suite.report.attempt_folders import part_of
from scribe_suite.report.claim_views import ClaimsView, SummaryPart, claims_view
from scribe_suite.report.experiments import experiments_view
from scribe_suite.report.journals import journal_views
from scribe_suite.report.keys import KEY_PROVIDERS, AnswerKeys, Key
from scribe_suite.report.notebooks import notebook_views
from scribe_suite.report.pages import task_href
from scribe_suite.report.raw_files import copy_raw_files
from scribe_suite.report.transcripts import transcript_view
from scribe_suite.report.views import AttemptRef, RunView
from scribe_suite.untrusted_files import UntrustedFolder

_TIMES = {
    "queue_s": "Waiting for a place",
    "setup_s": "Set-up",
    "kernel_s": "Starting kernels (part of the agent's time)",
    "agent_s": "Agent",
    "paused_s": "Clock stopped (no part of the agent's time)",
    "scoring_s": "Scoring",
    "teardown_s": "Teardown",
}
#: Fields that only some providers set.
_FURTHER = {"agent_version": "Version of the agent", "reproduced": "Answer reproduced"}

SEALED = (
    "This provider submits the answer key, and the run's instances are fresh: its answer, notebook and files are left "
    "out. With --with-keys they are in the report."
)
NO_KEY = "What it was scored against is left out, because the run's instances are fresh; --with-keys shows it."
NO_FOLDER = "The attempt's folder is not where the ledger says, so only what the ledger knows can be shown."


def attempt_context(
    run: RunView, attempt: AttemptRef, folder: UntrustedFolder | None, report: Path, keys: AnswerKeys | None
) -> dict[str, object]:
    """The context of an attempt's page; copies the attempt's files into the report.

    Args:
        run: The run.
        attempt: The attempt.
        folder: The attempt's folder, or None when there is none.
        report: The report being written.
        keys: The source of keys, or None when they are not shown.
    """
    record = attempt.record
    previous, following = run.neighbours(attempt)
    sealed = keys is None and record.provider.partition(":")[0] in KEY_PROVIDERS
    note = SEALED if sealed else NO_FOLDER if folder is None and record.folder is not None else ""
    shown = None if sealed else folder
    with part_of(shown, "notebooks") as notebooks, part_of(shown, "outputs") as outputs:
        from_folder = {
            **_shown_work(record, shown is not None, notebooks, outputs, keys),
            "experiments": experiments_view(record.laboratory, outputs),
            "transcript": transcript_view(outputs) if outputs else None,
            "files": copy_raw_files(shown, report, f"raw/{attempt.slug}") if shown else [],
        }
    return {
        "run": run,
        "attempt": attempt,
        "record": record,
        "task_href": task_href(record.task),
        "note": note,
        "revealed": keys is not None,
        "course": course_view(record),
        "times": [(_TIMES.get(name, name), spent) for name, spent in record.times if spent is not None],
        "further": [
            (label, value) for name, label in _FURTHER.items() if (value := getattr(record, name, None)) is not None
        ],
        **from_folder,
        "previous": previous,
        "following": following,
    }


def _shown_work(
    record: AttemptRecord,
    has_folder: bool,
    notebooks: UntrustedFolder | None,
    outputs: UntrustedFolder | None,
    keys: AnswerKeys | None,
) -> dict[str, object]:
    """The answer, the notebooks, and the claims, which link the two."""
    rendered = notebook_views(notebooks) if notebooks else []
    journals = journal_views(notebooks) if notebooks else []
    anchors = {place for notebook in rendered for place in notebook.anchors}
    anchors |= {row.anchor for journal in journals for row in journal.rows} - {""}
    answer = read_answer(outputs) if outputs else None
    shown = _answer(record, has_folder, answer, keys)
    claims: ClaimsView | None = None
    summary: tuple[SummaryPart, ...] = (SummaryPart(shown["view"].summary),)
    if answer is not None:
        claims, summary = claims_view(notebooks, answer, record.grounding, anchors, shown["view"].summary, outputs)
    return {"answer": shown, "claims": claims, "summary": summary, "notebooks": rendered, "journals": journals}


def _answer(
    record: AttemptRecord, has_folder: bool, answer: Mapping[str, Any] | None, keys: AnswerKeys | None
) -> dict[str, Any]:
    key = keys.key_of(record) if keys is not None else Key(None, NO_KEY)
    if answer is None:
        view = AnswerView(note="No answer that could be scored is kept." if has_folder else "")
        if key.content is not None:
            view = answer_view({}, key.content)
    else:
        view = answer_view(answer, key.content)
    return {"view": view, "submitted": answer is not None, "key": key}
