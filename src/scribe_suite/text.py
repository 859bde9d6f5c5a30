"""Texts of others in messages of ours, and the order of names."""

from __future__ import annotations

import re

TERMINAL_CODE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])")
_LAST_NUMBER = re.compile(r"(?P<stem>.*?)_(?P<number>[0-9]+)")
#: C0 and C1 controls but newline and tab: what is left of codes that were put into one another, too.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def plain_text(text: str) -> str:
    """Text that every report can hold and every terminal can show.

    Terminal codes and other control characters but newline and tab are left out; lone surrogates, which UTF-8 has no
    bytes for, are replaced.
    """
    return _CONTROL.sub("", TERMINAL_CODE.sub("", text)).encode("utf-8", "replace").decode()


def strip_terminal(text: str) -> str:
    """Text as a terminal would leave it: no codes; of a line rewritten with carriage returns its last state."""
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
