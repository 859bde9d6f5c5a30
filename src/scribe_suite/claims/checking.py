"""Checks claims, and the numbers of a summary, against the output of an attempt's cells.

A claim is *supported* when the run that it names shows it and the experiment, if it names one, is on record. It is
*contradicted* when that run, or a replay of it, gives another value for what the statement names. Everything else is
*unsupported*, and the reason says why.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from jaxtyping import Bool

from scribe_suite.claims.evidence import CellRun, Evidence
from scribe_suite.claims.labels import Reading, names, words
from scribe_suite.claims.numbers import Number, number_of, traceable_numbers
from scribe_suite.claims.replaying import ReplayedRuns
from scribe_suite.tasks.claims import Claim

#: How many numbers of a summary are traced.
MAX_TRACED = 200


class Status(StrEnum):
    """What the record of a notebook says about a claim or number."""

    SUPPORTED = "supported"
    CONTRADICTED = "contradicted"
    UNSUPPORTED = "unsupported"
    #: For a number in a summary: it was chosen, not measured.
    SETTING = "setting"


class Reason(StrEnum):
    """The reason; each is a clause for the reader."""

    SHOWN = "the cell shows it"
    ASSERTED = "the cell asserts something and has not raised"
    OTHER_VALUE = "the cell gives this name another value"
    OTHER_IN_REPLAY = "a replay of the cell gave another number"
    NO_CELL = "no cell has this number"
    NO_EXPERIMENT = "the record of the laboratory has no such experiment"
    RAISED = "the cell raised"
    UNFINISHED = "the cell did not end by itself"
    EDITED_AWAY = "the cell's code was replaced later"
    NOT_SHOWN = "the cell does not show it"
    TYPED = "it stands in the code, so that the cell may only repeat it"
    NOWHERE = "no cell shows it"
    CHOSEN = "it is a setting in the code"


@dataclass(frozen=True)
class Finding:
    """The finding on one claim or one number.

    Attributes:
        status: The verdict.
        reason: Why.
        run: The run that shows or contradicts it, or that the claim named; None when there is none.
        number: Place of the number among those of the run's output, or None.
        reproduced: Whether a replay shows it again; None when there is no replay, or nothing to reproduce.
    """

    status: Status
    reason: Reason
    run: CellRun | None = None
    number: int | None = None
    reproduced: bool | None = None


@dataclass(frozen=True)
class TracedNumber:
    """A number of a summary, and the finding on it."""

    number: Number
    finding: Finding


_STATUS_REASONS = {"ok": Reason.EDITED_AWAY, "error": Reason.RAISED}
_FALSE_OR_TRUE = re.compile(r"\b(true|false)\b", re.IGNORECASE)
_ASSERT = re.compile(r"^[ \t]*assert\b", re.MULTILINE)
_SENTENCE_END = re.compile(r"[.;!?]\s|\n")
_CLAUSE = 200


def check_claim(claim: Claim, evidence: Evidence, replay: ReplayedRuns | None = None) -> Finding:
    """Check one claim.

    Args:
        claim: As submitted.
        evidence: The attempt's evidence.
        replay: What a replay of the attempt shows, or None when there is none.
    """
    named = evidence.named(claim.cell)
    valid = [run for run in named if run.is_evidence]
    if not named:
        return Finding(Status.UNSUPPORTED, Reason.NO_CELL)
    known = evidence.experiments
    if claim.experiment is not None and known is not None and claim.experiment not in known:
        return Finding(Status.UNSUPPORTED, Reason.NO_EXPERIMENT, named[-1])
    if not valid:
        run = named[-1]
        return Finding(Status.UNSUPPORTED, _STATUS_REASONS.get(run.status, Reason.UNFINISHED), run)
    findings = [_in_run(claim, run, replay) for run in valid]
    return min(findings, key=lambda finding: _BEST_FIRST.index(finding.status))


_BEST_FIRST = (Status.SUPPORTED, Status.CONTRADICTED, Status.UNSUPPORTED)


def claimed_number(claim: Claim) -> Number | None:
    """The number that a claim is about, or None when it is about a verdict."""
    if claim.value is None:
        return None
    return number_of(claim.value, percent="%" in claim.statement or "percent" in claim.statement.lower())


def _in_run(claim: Claim, run: CellRun, replay: ReplayedRuns | None) -> Finding:
    number = claimed_number(claim)
    if number is not None:
        return _replayed(_number_in_run(number, claim.statement, run), number, replay)
    finding = _verdict_in_run(claim.verdict, run)
    if finding.status is not Status.SUPPORTED or replay is None:
        return finding
    again = replay.of(run)
    same = again is not None and again.is_evidence and _verdict_in_run(claim.verdict, again).status is finding.status
    return Finding(finding.status, finding.reason, run, reproduced=same)


def _number_in_run(number: Number, statement: str, run: CellRun) -> Finding:
    found = run.table.matches(number)
    measured = found & run.measured
    if measured.any():
        return Finding(Status.SUPPORTED, Reason.SHOWN, run, int(np.flatnonzero(measured)[-1]))
    if found.any():
        return Finding(Status.UNSUPPORTED, Reason.TYPED, run)
    other = _other_value(words(statement), run)
    if other is not None:
        return Finding(Status.CONTRADICTED, Reason.OTHER_VALUE, run, other)
    return Finding(Status.UNSUPPORTED, Reason.NOT_SHOWN, run)


def _other_value(statement: str, run: CellRun) -> int | None:
    """Place of the number that the run shows for something that the statement names, or None.

    Only where a name belongs to one number: a row of a table has several.
    """
    named = [reading for reading in run.readings if not reading.column and names(statement, reading.label)]
    return _fullest(named).place if named else None


def _fullest(readings: Sequence[Reading]) -> Reading:
    """The reading with the longest label; the last one of several."""
    return max(readings, key=lambda reading: (len(reading.label), reading.place))


def _verdict_in_run(verdict: bool | str | None, run: CellRun) -> Finding:
    if isinstance(verdict, str):
        shown = " ".join(verdict.lower().split()) in " ".join(run.text.lower().split())
        return (
            Finding(Status.SUPPORTED, Reason.SHOWN, run)
            if shown
            else Finding(Status.UNSUPPORTED, Reason.NOT_SHOWN, run)
        )
    said = {word.lower() for word in _FALSE_OR_TRUE.findall(run.text)}
    if str(verdict).lower() in said:
        return Finding(Status.SUPPORTED, Reason.SHOWN, run)
    if verdict and _ASSERT.search(run.code):
        return Finding(Status.SUPPORTED, Reason.ASSERTED, run)
    return Finding(
        *((Status.CONTRADICTED, Reason.OTHER_VALUE) if said else (Status.UNSUPPORTED, Reason.NOT_SHOWN)), run
    )


def _replayed(finding: Finding, number: Number, replay: ReplayedRuns | None) -> Finding:
    """A finding, with what a replay says about it."""
    if finding.status is not Status.SUPPORTED or replay is None or finding.run is None:
        return finding
    again = replay.of(finding.run)
    if again is None or not again.is_evidence:
        return Finding(finding.status, finding.reason, finding.run, finding.number, reproduced=False)
    if bool((again.table.matches(number) & again.measured).any()):
        return Finding(finding.status, finding.reason, finding.run, finding.number, reproduced=True)
    if again.table.numbers:
        return Finding(Status.CONTRADICTED, Reason.OTHER_IN_REPLAY, finding.run, finding.number, reproduced=False)
    return Finding(finding.status, finding.reason, finding.run, finding.number, reproduced=False)


def trace_summary(summary: str, evidence: Evidence, replay: ReplayedRuns | None = None) -> list[TracedNumber]:
    """Look for the numbers of a summary in the output of any run that is evidence; the last that shows it counts.

    Args:
        summary: The summary of an answer.
        evidence: The attempt's evidence.
        replay: What a replay of the attempt shows, or None when there is none.
    """
    traced = []
    for number in traceable_numbers(summary)[:MAX_TRACED]:
        finding = _anywhere(number, evidence)
        if finding.status is Status.UNSUPPORTED:
            finding = _named_otherwise(_clause_before(summary, number), evidence) or finding
        traced.append(TracedNumber(number, _replayed(finding, number, replay)))
    return traced


def _anywhere(number: Number, evidence: Evidence) -> Finding:
    repeated: CellRun | None = None
    for run in reversed(evidence.valid):
        found: Bool[np.ndarray, " n"] = run.table.matches(number)
        if not found.any():
            continue
        measured = found & run.measured
        if measured.any():
            return Finding(Status.SUPPORTED, Reason.SHOWN, run, int(np.flatnonzero(measured)[-1]))
        repeated = repeated or run
    if evidence.chosen.matches(number).any():
        return Finding(Status.SETTING, Reason.CHOSEN)
    return Finding(Status.UNSUPPORTED, Reason.TYPED if repeated else Reason.NOWHERE, repeated)


def _named_otherwise(clause: str, evidence: Evidence) -> Finding | None:
    """A contradiction, if the text before a number is a label whose last value in the runs is another one."""
    for run in reversed(evidence.valid):
        named = [reading for reading in run.readings if not reading.column and names(clause, reading.label)]
        if named:
            return Finding(Status.CONTRADICTED, Reason.OTHER_VALUE, run, _fullest(named).place)
    return None


def _clause_before(text: str, number: Number) -> str:
    """The words before a number, back to the sentence's beginning or the number before it."""
    before = text[max(0, number.start - _CLAUSE) : number.start]
    before = _SENTENCE_END.split(before)[-1]
    numbers = list(re.finditer(r"(?<![\w.])[0-9]", before))
    return words(before[numbers[-1].start() :] if numbers else before)


def supported_places(findings: Sequence[Finding]) -> list[tuple[CellRun, int]]:
    """The run and number of every supported finding."""
    return [
        (finding.run, finding.number)
        for finding in findings
        if finding.status is Status.SUPPORTED and finding.run is not None and finding.number is not None
    ]
