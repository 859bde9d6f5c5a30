"""The experiments recorded by an attempt's laboratory; see docs/guide/laboratory.md for its lines."""

from __future__ import annotations

import json

from scribe_suite.untrusted_files import UntrustedFolder

#: File name, in an attempt's ``outputs``.
FILE_NAME = "experiments.jsonl"
#: How many bytes are read.
MAX_BYTES = 64 << 20


def read_experiments(outputs: UntrustedFolder | None) -> frozenset[str] | None:
    """Ids of the runs that were charged; None where they are unknown, as when the record is too large.

    Args:
        outputs: The attempt's folder, open; its contents are untrusted.
    """
    if outputs is None:
        return None
    try:
        content = outputs.read(FILE_NAME, MAX_BYTES)
    except FileNotFoundError:
        return frozenset()  # there was no laboratory
    except (OSError, ValueError):
        return None
    found = set()
    for line in content.splitlines():
        try:
            fields = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(fields, dict) and fields.get("event") == "run" and isinstance(fields.get("run"), str):
            found.add(fields["run"])
    return frozenset(found)
