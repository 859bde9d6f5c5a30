"""Parses a line of a CLI's output into a sanitised object: the program in its place may be hostile."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

#: Longest line, in characters; images in tool results are the longest.
MAX_EVENT = 16 << 20
#: Most brackets, braces and commas in a line: each may become an object many times its size.
MAX_MARKS = 2_000_000
#: Most digits of a number: tokens and milliseconds have fewer, and floats can hold as many.
MAX_DIGITS = 15


def parse_event(line: str) -> Mapping[str, Any] | None:
    """The object on a line, or None where there is no acceptable one.

    Numbers are finite and fit tables and ledgers; texts can be written as UTF-8.
    """
    if len(line) > MAX_EVENT or sum(map(line.count, "[{,")) > MAX_MARKS:
        return None
    try:
        event = json.loads(line, parse_constant=_refuse, parse_int=_int, parse_float=_float)
        if "\\ud" in line.lower():  # half a character, written as JSON can
            text = json.dumps(event, ensure_ascii=False).encode("utf-8", "replace").decode()
            event = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return event if isinstance(event, dict) else None


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is no number")


def _int(digits: str) -> int:
    if len(digits) > MAX_DIGITS:
        raise ValueError("the number is too large")
    return int(digits)


def _float(digits: str) -> float:
    value = float(digits)
    if not abs(value) < 10.0**MAX_DIGITS:
        raise ValueError("the number is too large")
    return value
