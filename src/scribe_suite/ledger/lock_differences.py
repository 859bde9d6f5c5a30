"""Differences between the locks of runs, in readable form.

Entries about a task or a provider are compared only where both runs have them: shards and families are parts of one
run. Hashes of instance seeds are counted and never shown.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from scribe_suite.text import shortened

TASKS = "tasks"
PROVIDERS = "providers"
#: The hashes of each task's seeds; like the seeds, they belong in the ledger and nowhere else.
INSTANCE_SEEDS = "instance_seeds"
#: The part of a lock that may differ between comparable runs.
MACHINE = "machine"

_SHOWN = 40
_BY_NAME = (TASKS, PROVIDERS)
_HASH = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_BRIEF = {
    "suite_sha256": "suite code",
    "code_sha256": "code",
    "prompt_sha256": "prompt",
    "solution_sha256": "reference solution",
    "model_sha256": "weights of the model",
    "measured_sha256": "measured truth",
}


def lock_differences(locks: Iterable[tuple[str, Mapping[str, Any]]], ignored: Iterable[str] = ()) -> list[str]:
    """One line per difference: what differs, and each label's value.

    Args:
        locks: Label and lock of each run.
        ignored: Names in the lock whose values may differ.
    """
    given = list(locks)
    left_out = set(ignored)
    flat = [(label, _flattened({k: v for k, v in lock.items() if k not in left_out})) for label, lock in given]
    lines = []
    seeds = 0
    for key in dict.fromkeys(key for _, values in flat for key in values):
        having = [(label, values[key]) for label, values in flat if key in values]
        if key[0] not in _BY_NAME:  # what one run does not say at all differs from what another says
            having += [(label, None) for label, values in flat if key not in values]
        if len({repr(value) for _, value in having}) == 1:
            continue
        if INSTANCE_SEEDS in key:
            seeds += 1
        else:
            values = ", ".join(f"{label}: {_shown(value)}" for label, value in sorted(having, key=lambda h: h[0]))
            lines.append(f"{_name(key)} ({values})")
    if seeds:
        lines.append(f"instances (seeds that are not the same: {seeds})")
    return lines


def _flattened(value: Mapping[str, Any], above: tuple[str, ...] = ()) -> dict[tuple[str, ...], Any]:
    flat: dict[tuple[str, ...], Any] = {}
    for key, item in value.items():
        path = (*above, str(key))
        if isinstance(item, Mapping) and item:
            flat.update(_flattened(item, path))
        else:
            flat[path] = item
    return flat


def _name(key: tuple[str, ...]) -> str:
    words = [_BRIEF.get(word, word) for word in key]
    if key[0] in _BY_NAME and len(key) > 2:
        return f"{words[1]}: {' '.join(words[2:])}"
    return " ".join(words)


def _shown(value: Any) -> str:
    text = "nothing" if value is None else str(value)
    # the beginning of a hash identifies it
    return text[:12] if _HASH.fullmatch(text) else shortened(text, _SHOWN)
