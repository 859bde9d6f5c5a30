"""Selects questions: readable and unreadable ones in the same words, so that the words reveal nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ground_truth.probes.real.ceiling import Verdict
from ground_truth.probes.real.statements import Question


def paired(
    questions: Sequence[Question], verdicts: Mapping[str, Verdict]
) -> dict[str, tuple[list[Question], list[Question]]]:
    """Wording -> its readable and its unreadable questions, of the wordings that have both.

    Args:
        questions: All of a task.
        verdicts: By the name of the question.
    """
    wordings = dict.fromkeys(question.wording for question in questions)
    sides = {
        wording: tuple(
            [one for one in questions if one.wording == wording and verdicts[one.name] == verdict]
            for verdict in ("readable", "null")
        )
        for wording in wordings
    }
    return {wording: (readable, null) for wording, (readable, null) in sides.items() if readable and null}
