"""Long texts of a notebook: which lines are shown until a reader unfolds the rest."""

from __future__ import annotations

#: A text with more lines is folded.
LONGEST = 40
#: How many lines are shown of code, and of output from its beginning and its end.
FIRST_OF_CODE = 15
FIRST, LAST = 12, 8


def line_count(text: str) -> int:
    """The number of lines of a text; a final line break does not begin another line."""
    return len(_lines(text))


def is_long(text: str) -> bool:
    """Whether a text is folded."""
    return line_count(text) > LONGEST


def first_lines(text: str) -> str:
    """The beginning of a cell."""
    return "\n".join(_lines(text)[:FIRST_OF_CODE])


def both_ends(text: str) -> str:
    """The beginning of an output and its end, where results usually are."""
    lines = _lines(text)
    return "\n".join([*lines[:FIRST], f"... {len(lines) - FIRST - LAST} lines ...", *lines[-LAST:]])


def _lines(text: str) -> list[str]:
    return text.removesuffix("\n").split("\n")
