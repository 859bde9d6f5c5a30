"""The claims of an attempt and the numbers in its summary, each with a link to the cell that shows it."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass
from typing import Any

from scribe_suite.claims.checking import Finding, Status, TracedNumber
from scribe_suite.claims.evidence import CellRun, read_evidence
from scribe_suite.claims.grounding import Checked, check_answer
from scribe_suite.errors import InfrastructureError
from scribe_suite.ledger.records import Grounding
from scribe_suite.report.anchors import cell_anchor, run_anchor
from scribe_suite.tasks.claims import Claim
from scribe_suite.text import shortened
from scribe_suite.untrusted_files import UntrustedFolder

_SHOWN = 300
NOT_WHOLE = "The notebooks hold more than is searched: what is not found here may be in the rest."


@dataclass(frozen=True)
class Place:
    """The name of a cell's run on a page; `href` is empty where the page does not show it."""

    name: str = ""
    href: str = ""


@dataclass(frozen=True)
class ClaimRow:
    """One claim or one number of the summary, with its finding.

    Attributes:
        statement: The claim's statement; empty for a number of the summary.
        said: The claimed number or verdict.
        cell: The cell that a claim names, and its experiment.
        probability: The probability given with a claim, or None.
        status: See `checking.Status`.
        reason: The reason.
        place: The run that supports or contradicts it.
    """

    statement: str
    said: str
    cell: str
    probability: float | None
    status: str
    reason: str
    place: Place


@dataclass(frozen=True)
class SummaryPart:
    """A piece of the summary: plain text, or a number with its status."""

    text: str
    status: str = ""
    href: str = ""


@dataclass(frozen=True)
class UntoldRow:
    """A result that the answer cites, and another that it does not mention."""

    measurement: str
    told: str
    told_place: Place
    other: str
    other_place: Place
    worse: bool


@dataclass(frozen=True)
class ClaimsView:
    """The claims of an answer, as a page shows them.

    Attributes:
        counts: From the ledger, or computed now from the attempt's folder.
        claims: One row each.
        numbers: The numbers in the summary.
        untold: Other results of what the answer cites.
        failed: Lines of checks that failed, with their places.
        note: What the reader has to know, or empty.
    """

    counts: Grounding
    claims: tuple[ClaimRow, ...] = ()
    numbers: tuple[ClaimRow, ...] = ()
    untold: tuple[UntoldRow, ...] = ()
    failed: tuple[tuple[str, Place], ...] = ()
    note: str = ""


def claims_view(
    notebooks: UntrustedFolder | None,
    answer: Mapping[str, Any],
    kept: Grounding | None,
    anchors: Set[str],
    summary: str,
    outputs: UntrustedFolder | None = None,
) -> tuple[ClaimsView, tuple[SummaryPart, ...]]:
    """Check an answer again, for its page.

    Args:
        notebooks: The attempt's folder of notebooks, if there is one.
        answer: As submitted.
        kept: The counts in the ledger, which also cover replays; None in old ledgers.
        anchors: The places on the page.
        summary: The answer's summary, as the page shows it.
        outputs: The attempt's folder of outputs, if there is one.

    Returns:
        The view, and the summary with its numbers marked.
    """
    try:
        evidence = read_evidence(notebooks, outputs)
    except (OSError, InfrastructureError) as error:
        note = f"The journals can't be read ({shortened(str(error), _SHOWN)})."
        return ClaimsView(kept or Grounding(), note=note), (SummaryPart(summary),)
    checked = check_answer(answer, evidence)
    last = {(run.notebook, run.cell): run.number for run in evidence.runs}

    def place(run: CellRun | None) -> Place:
        if run is None:
            return Place()
        again = run_anchor(run.notebook, run.cell, run.number)
        # the notebook shows only the last run of a cell, the journal all of them
        now = cell_anchor(run.notebook, run.cell) if last[run.notebook, run.cell] == run.number else again
        href = next((found for found in (now, again) if found in anchors), "")
        return Place(shortened(run.label, _SHOWN), f"#{href}" if href else "")

    def row(said: str, finding: Finding, statement: str = "", cell: str = "", p: float | None = None) -> ClaimRow:
        return ClaimRow(statement, said, cell, p, finding.status, finding.reason, place(finding.run))

    view = ClaimsView(
        counts=kept or checked.counts,
        claims=tuple(
            row(_said(claim.value, claim.verdict), finding, claim.statement, _where(claim), claim.probability)
            for claim, finding in checked.claims
        ),
        numbers=tuple(row(one.number.text, one.finding) for one in checked.numbers),
        untold=tuple(
            UntoldRow(
                shortened(result.measurement or "the same code", _SHOWN),
                result.told.text,
                place(result.told_run),
                result.other.text,
                place(result.other_run),
                result.worse is True,
            )
            for result in checked.untold
        ),
        failed=tuple((shortened(check.check, _SHOWN), place(check.run)) for check in checked.failed),
        note="" if evidence.is_whole else NOT_WHOLE,
    )
    return view, _parts(summary, checked, [row.place.href for row in view.numbers])


def _where(claim: Claim) -> str:
    return str(claim.cell) if claim.experiment is None else f"{claim.cell}, {shortened(claim.experiment, _SHOWN)}"


def _said(value: float | None, verdict: bool | str | None) -> str:
    return str(verdict) if value is None else repr(value)


def _parts(summary: str, checked: Checked, hrefs: list[str]) -> tuple[SummaryPart, ...]:
    parts = []
    begin = 0
    for one, href in zip(checked.numbers, hrefs, strict=True):
        number = one.number
        if summary[number.start : number.end] != number.text:
            break  # the page shows less of it
        parts.append(SummaryPart(summary[begin : number.start]))
        parts.append(SummaryPart(number.text, one.finding.status, href if _leads(one) else ""))
        begin = number.end
    parts.append(SummaryPart(summary[begin:]))
    return tuple(part for part in parts if part.text)


def _leads(one: TracedNumber) -> bool:
    return one.finding.status in (Status.SUPPORTED, Status.CONTRADICTED)
