"""Summary of the claims of a side's attempts: counts and shares over all attempts that were checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from scribe_suite.analysis.statistics import Codes, Floats

#: The counts that are summed over attempts; fields of `ledger.records.Grounding`.
COUNTS = (
    "claims", "supported", "numbers", "traced", "contradicted", "replayed", "reproduced", "untold", "failed_checks",
)  # fmt: skip


@dataclass(frozen=True)
class GroundingShares:
    """Sums over attempts, and shares of them; a share with denominator 0 is None.

    Attributes:
        attempts: How many were checked.
        claims: Counts over all answers; `numbers` counts the numbers in summaries, without settings.
        provenance: (supported claims + traced numbers) / (claims + numbers).
        contradicted: Contradicted ones / (claims + numbers).
        reproduced: Those that a replay reproduced / those with provenance that were compared with a replay.
        untold: Results that the answers leave out, for a reader to check.
        failed_checks: Failed checks that the answers do not mention.
    """

    attempts: int
    claims: int
    numbers: int
    provenance: float | None
    contradicted: float | None
    reproduced: float | None
    untold: int
    failed_checks: int


def grounding_shares(counts: Mapping[str, Floats], rows: Codes) -> GroundingShares | None:
    """The shares of some attempts, or None when none of them was checked.

    Args:
        counts: By the names in `COUNTS`, per attempt; NaN where it was not checked.
        rows: The rows of the attempts.
    """
    checked = {name: column[rows] for name, column in counts.items()}
    if not checked or np.isnan(checked["claims"]).all():
        return None
    total = {name: int(np.nansum(column)) for name, column in checked.items()}
    said = total["claims"] + total["numbers"]
    return GroundingShares(
        attempts=int((~np.isnan(checked["claims"])).sum()),
        claims=total["claims"],
        numbers=total["numbers"],
        provenance=_share(total["supported"] + total["traced"], said),
        contradicted=_share(total["contradicted"], said),
        reproduced=_share(total["reproduced"], total["replayed"]),
        untold=total["untold"],
        failed_checks=total["failed_checks"],
    )


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
