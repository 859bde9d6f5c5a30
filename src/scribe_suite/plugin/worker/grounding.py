"""Checks after scoring how far an attempt's notebooks support its answer; this changes neither score nor outcome."""

from __future__ import annotations

import logging
from contextlib import nullcontext

from scribe_suite.claims.evidence import Evidence, read_evidence
from scribe_suite.claims.grounding import check_answer
from scribe_suite.ledger.records import Grounding
from scribe_suite.plugin.worker.attempt_state import AttemptState
from scribe_suite.report.attempt_folders import attempt_folder, part_of
from scribe_suite.tasks.answers import Answer

logger = logging.getLogger(__name__)

#: Flag of an attempt whose answer could not be checked.
NOT_CHECKED = "claims_not_checked"


def check_claims(state: AttemptState, answer: Answer) -> Grounding | None:
    """The counts for the ledger; for a replay, those of the replayed answer and what was reproduced.

    The files are written by an agent, so any error here loses only the counts, never the score.

    Returns:
        None, and a flag in the attempt's draft, when the notebooks can't be read.
    """
    try:
        own = _own_evidence(state)
        if state.replay is None or state.recorded is None or state.replay.answer is None:
            return check_answer(answer.model_dump(mode="json"), own).counts
        with (
            attempt_folder(*state.recorded) or nullcontext() as folder,
            part_of(folder, "notebooks") as notebooks,
            part_of(folder, "outputs") as outputs,
        ):
            return check_answer(state.replay.answer, read_evidence(notebooks, outputs), own).counts
    except Exception:
        logger.exception("the claims of %s were not checked", state.nodeid)
        state.draft.add_flags(NOT_CHECKED)
        return None


def _own_evidence(state: AttemptState) -> Evidence:
    assert state.folder is not None
    with state.folder.open_notebooks() as notebooks, state.folder.open_outputs() as outputs:
        return read_evidence(notebooks, outputs)
