"""An answer made without any knowledge: valid, always the same, and never right by chance.

A random answer is sometimes right by chance, and "nothing found" is right in null instances. So numbers become zeros (a
probe that gives the same output for everything), and only content without numbers becomes empty.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_ABOUT = ("confidence", "nothing_found", "summary")
_SAYS = {"confidence": 0.0, "summary": "Nothing was looked at."}


def answers_knowing_nothing(example: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Answers without content, the preferred one first; the others are for schemas that refuse it.

    Args:
        example: A valid answer.
    """
    content = {name: value for name, value in example.items() if name not in _ABOUT}
    claimed = {"nothing_found": False} if "nothing_found" in example else {}
    empty = {name: type(value)() if isinstance(value, list | dict | str) else value for name, value in content.items()}
    # a position such as "last" is not content, and an empty one is not a position
    empty |= {name: value for name, value in content.items() if name == "position"}
    candidates = []
    if any(_numbers(value) for value in content.values()):
        zeros = {name: [0.0] * len(value) if _numbers(value) else value for name, value in content.items()}
        candidates.append({**zeros, **claimed, **_SAYS})
    if claimed:
        candidates.append({**empty, "nothing_found": True, **_SAYS})
    return [*candidates, {**empty, **claimed, **_SAYS}, {**example, **_SAYS}]


def _numbers(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(type(item) in (int, float) for item in value)
