"""Helpers for text: untrusted text in messages, the order of names, the place and the width of tables."""

from __future__ import annotations

import os
import re
from typing import Any

#: Width of a table for a log or a mail, if no width is given.
LOG_WIDTH = 120
_NARROWEST = 20
TERMINAL_CODE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])")
_LAST_NUMBER = re.compile(r"(?P<stem>.*?)_(?P<number>[0-9]+)")
#: C0 and C1 controls except newline and tab, including remains of nested terminal codes.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def well_formed(text: str) -> str:
    """Text that UTF-8 can encode: surrogate pairs become their character, lone surrogates U+FFFD."""
    if text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def well_formed_json(value: Any) -> Any:
    """A JSON value in which all texts are `well_formed`."""
    if isinstance(value, str):
        return well_formed(value)
    if isinstance(value, list):
        return [well_formed_json(item) for item in value]
    if isinstance(value, dict):
        return {well_formed(key): well_formed_json(item) for key, item in value.items()}
    return value


def plain_text(text: str) -> str:
    """Text that every report can contain and every terminal can show.

    Terminal codes and other control characters except newline and tab are left out; lone surrogates, which UTF-8 can't
    encode, are replaced.
    """
    return well_formed(_CONTROL.sub("", TERMINAL_CODE.sub("", text)))


def strip_terminal(text: str) -> str:
    """Text as a terminal would finally show it: without codes; of a line with carriage returns, its last state."""
    text = TERMINAL_CODE.sub("", text).replace("\r\n", "\n")
    if "\r" in text:
        text = "\n".join(line.rstrip("\r").rpartition("\r")[2] for line in text.split("\n"))
    return plain_text(text)


def shortened(text: str, longest: int) -> str:
    """The text, or its beginning and three dots where it has more than `longest` characters."""
    return text if len(text) <= longest else text[: longest - 3] + "..."


def by_last_number(name: str) -> tuple[str, int, str]:
    """A key to sort names by, so that ``mechanism_10`` follows ``mechanism_9``; other names sort as text."""
    match = _LAST_NUMBER.fullmatch(name)
    return (name, -1, name) if match is None else (match["stem"], int(match["number"]), name)


def with_table(document: str, markers: tuple[str, str], table: str) -> str:
    """A document with a table in place of the text between two comments.

    Args:
        document: Its text.
        markers: The comment above the table and the one below it.
        table: Markdown, without an empty line at either end.

    Raises:
        ValueError: When the document does not contain both comments once, in this order.
    """
    begin, end = markers
    if document.count(begin) != 1 or document.count(end) != 1 or document.index(begin) > document.index(end):
        raise ValueError(f"write {begin} and, below it, {end} once, where the table belongs")
    before, _, rest = document.partition(begin)
    return f"{before}{begin}\n\n{table}\n\n{end}{rest.partition(end)[2]}"


def log_width() -> int:
    """Width of a table without a terminal: the value of COLUMNS, else `LOG_WIDTH`."""
    told = os.environ.get("COLUMNS", "")
    return max(_NARROWEST, int(told)) if told.isdecimal() and len(told) < 6 else LOG_WIDTH
