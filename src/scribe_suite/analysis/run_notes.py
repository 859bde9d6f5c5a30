"""Notes about compared runs: interrupted, repeated attempts, different code."""

from __future__ import annotations

from collections import Counter

from scribe_suite.analysis.columns import AttemptColumns
from scribe_suite.analysis.pairing import version_differences
from scribe_suite.ledger.lock_differences import lock_differences


def run_notes(attempts: AttemptColumns) -> list[str]:
    """Facts about the runs that no table shows."""
    numbered = [(f"#{number}", info) for number, info in enumerate(attempts.runs, start=1)]
    lines = [f"Run {label} ({info.run}) was cut off." for label, info in numbered if not info.complete]
    if attempts.repeated:
        lines.append(f"Attempts that were repeated in the same run: {attempts.repeated}. The last of each counts.")
    lines += [f"Different versions of {line} are compared." for line in version_differences(attempts)]
    locks = [(label, info.lock) for label, info in numbered if info.lock]
    lines += [f"The runs differ in {line}." for line in lock_differences(locks)]
    lines += [
        f"Run {label} changed when it was resumed: {line}." for label, info in numbered for line in info.differences
    ]
    twice = Counter(info.run for _, info in numbered)
    lines += [f"Files given of run {run}: {count}." for run, count in sorted(twice.items()) if count > 1]
    return lines
