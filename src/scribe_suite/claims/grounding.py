"""All checks of one answer's claims, and their counts for the ledger."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from scribe_suite.claims.checking import (
    Finding,
    Status,
    TracedNumber,
    check_claim,
    claimed_number,
    supported_places,
    trace_summary,
)
from scribe_suite.claims.evidence import Evidence
from scribe_suite.claims.replaying import ReplayedRuns
from scribe_suite.claims.untold import (
    FailedCheck,
    UntoldResult,
    failed_checks,
    number_failed,
    numbers_told,
    untold_results,
)
from scribe_suite.ledger.records import Grounding
from scribe_suite.tasks.claims import MAX_CLAIMS, Claim

#: How many characters of a summary are read; the limit that answers have.
MAX_SUMMARY = 20_000


@dataclass(frozen=True)
class Checked:
    """The findings on an answer.

    Attributes:
        claims: Each claim with its finding.
        numbers: The numbers in the summary.
        untold: Results that the answer leaves out.
        failed: Checks that failed, if the answer does not mention failures.
        has_replay: Whether a replay was compared.
    """

    claims: tuple[tuple[Claim, Finding], ...]
    numbers: tuple[TracedNumber, ...]
    untold: tuple[UntoldResult, ...]
    failed: tuple[FailedCheck, ...]
    has_replay: bool

    @property
    def counts(self) -> Grounding:
        """The counts for the ledger."""
        claims = [finding for _, finding in self.claims]
        numbers = [one.finding for one in self.numbers if one.finding.status is not Status.SETTING]
        both = [*claims, *numbers]
        return Grounding(
            claims=len(claims),
            supported=_count(claims, Status.SUPPORTED),
            numbers=len(numbers),
            traced=_count(numbers, Status.SUPPORTED),
            settings=len(self.numbers) - len(numbers),
            contradicted=_count(both, Status.CONTRADICTED),
            replayed=sum(finding.reproduced is not None for finding in both),
            reproduced=sum(finding.reproduced is True for finding in both),
            untold=len(self.untold),
            failed_checks=number_failed(self.failed),
        )


def check_answer(answer: Mapping[str, Any], evidence: Evidence, replayed: Evidence | None = None) -> Checked:
    """Check the claims and the summary of an answer.

    Args:
        answer: As JSON; it is untrusted, so invalid claims are skipped.
        evidence: What the attempt's journals show.
        replayed: The same of a replay of the attempt, or None when there is none.
    """
    replay = None if replayed is None else ReplayedRuns(evidence, replayed)
    claims = claims_of(answer)
    summary = str(answer.get("summary", ""))[:MAX_SUMMARY]
    checked = [(claim, check_claim(claim, evidence, replay)) for claim in claims]
    numbers = trace_summary(summary, evidence, replay)
    statements = [claim.statement for claim in claims]
    told = numbers_told(summary, statements, [number for claim in claims if (number := claimed_number(claim))])
    cited = supported_places([finding for _, finding in checked] + [one.finding for one in numbers])
    return Checked(
        claims=tuple(checked),
        numbers=tuple(numbers),
        untold=tuple(untold_results(cited, told, evidence)),
        failed=tuple(failed_checks("\n".join([summary, *statements]), evidence)),
        has_replay=replay is not None,
    )


def claims_of(answer: Mapping[str, Any]) -> list[Claim]:
    """The claims of an answer that is JSON."""
    listed = answer.get("claims")
    found = []
    for entry in listed[:MAX_CLAIMS] if isinstance(listed, list) else ():
        try:
            found.append(Claim.model_validate(entry))
        except ValidationError:
            continue
    return found


def _count(findings: Sequence[Finding], status: Status) -> int:
    return sum(finding.status is status for finding in findings)
