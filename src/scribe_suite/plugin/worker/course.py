"""The course of an attempt: the skill of its earlier submissions, scored afterwards by the same scorer.

It changes neither score nor outcome, which depend on the last submission alone. An error here loses only a point of the
course: an agent must not be able to invalidate its answer with an earlier one.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence

from scribe_suite.ledger.records import SubmissionPoint
from scribe_suite.plugin.worker.submissions import Submission

logger = logging.getLogger(__name__)

#: Seconds after which no further submission is started on; the one being scored is finished.
SCORING_S = 120.0
#: Flags of attempts whose course has fewer points than submissions were kept.
NOT_SCORED = "earlier_submission_not_scored"
OUT_OF_TIME = "earlier_submissions_out_of_time"


def course(
    kept: Sequence[Submission], last_skill: float, skill_of: Callable[[str], float]
) -> tuple[tuple[SubmissionPoint, ...], tuple[str, ...]]:
    """Score the kept submissions, the newest first, identical answers once.

    Args:
        kept: The submissions in order; the one that counts is the last.
        last_skill: The skill of the last one, which has been scored.
        skill_of: Scores an answer that was valid when submitted.

    Returns:
        The points in order, and flags for missing ones.
    """
    known: dict[str, float | None] = {kept[-1].raw: last_skill}
    points: list[SubmissionPoint] = []
    flags: dict[str, None] = {}
    deadline = time.monotonic() + SCORING_S
    for submission in reversed(kept):
        if submission.raw not in known:
            if time.monotonic() > deadline:
                flags[OUT_OF_TIME] = None
                continue  # others may be identical to one that was scored
            known[submission.raw] = _skill(submission, skill_of)
        skill = known[submission.raw]
        if skill is None:
            flags[NOT_SCORED] = None
        else:
            points.append(SubmissionPoint(skill=skill, **submission.used))
    return tuple(reversed(points)), tuple(flags)


def _skill(submission: Submission, skill_of: Callable[[str], float]) -> float | None:
    try:
        return skill_of(submission.raw)
    except Exception:
        logger.exception("submission %d was not scored", submission.number)
        return None
