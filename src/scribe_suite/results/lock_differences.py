"""In what the locks of runs differ, told so that a person sees it.

A task's hashes are compared where both runs have the task: shards and families are parts of one run.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from scribe_suite.text import shortened

_SHOWN = 40
_TASKS = "tasks"


def lock_differences(locks: Iterable[tuple[str, Mapping[str, Any]]], ignored: Iterable[str] = ()) -> list[str]:
    """One line per difference: what differs, and each label's value.

    Args:
        locks: Label and lock of each run.
        ignored: Names in the lock that may differ.
    """
    given = list(locks)
    left_out = set(ignored)
    flat = [(label, _flattened({k: v for k, v in lock.items() if k not in left_out})) for label, lock in given]
    lines = []
    for key in dict.fromkeys(key for _, values in flat for key in values):
        having = [(label, values[key]) for label, values in flat if key in values]
        if key[0] != _TASKS:  # what one run does not say at all differs from what another says
            having += [(label, None) for label, values in flat if key not in values]
        if len({repr(value) for _, value in having}) > 1:
            values = ", ".join(f"{label}: {_shown(value)}" for label, value in sorted(having, key=lambda h: h[0]))
            lines.append(f"{_name(key)} ({values})")
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
    if key[0] == _TASKS and len(key) > 2:
        return f"{key[1]}: {' '.join(key[2:])}"
    return " ".join(key)


def _shown(value: Any) -> str:
    text = "nothing" if value is None else str(value)
    # a hash is told apart by its beginning
    return text[:12] if len(text) in (40, 64) and " " not in text else shortened(text, _SHOWN)
