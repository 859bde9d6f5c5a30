"""Long texts of a notebook: what of them is shown before a reader asks for the rest."""

from __future__ import annotations

#: A text with more lines is folded.
LONGEST = 40
#: Lines that are shown of code, and of what was printed, from its beginning and from its end.
FIRST_OF_CODE = 15
FIRST, LAST = 12, 8


def line_count(text: str) -> int:
    """Lines of a text; one that ends the last line begins no further one."""
    return len(_lines(text))


def is_long(text: str) -> bool:
    """Whether a text is folded."""
    return line_count(text) > LONGEST


def first_lines(text: str) -> str:
    """The beginning of a cell."""
    return "\n".join(_lines(text)[:FIRST_OF_CODE])


def both_ends(text: str) -> str:
    """The beginning and the end of what was printed, where results stand."""
    lines = _lines(text)
    return "\n".join([*lines[:FIRST], f"... {len(lines) - FIRST - LAST} lines ...", *lines[-LAST:]])


def _lines(text: str) -> list[str]:
    return text.removesuffix("\n").split("\n")
