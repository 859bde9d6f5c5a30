"""The experiments recorded by an attempt's laboratory; see docs/guide/laboratory.md for its lines."""

from __future__ import annotations

import json

from scribe_suite.untrusted_files import UntrustedFolder

#: In the outputs of an attempt.
FILE_NAME = "experiments.jsonl"
#: Bytes that are read.
MAX_BYTES = 64 << 20


def read_experiments(outputs: UntrustedFolder | None) -> frozenset[str] | None:
    """Ids of the runs that were charged; None where they can't be told, as of a record that is too large.

    Args:
        outputs: The attempt's folder, open; what lies in it may come from anybody.
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
