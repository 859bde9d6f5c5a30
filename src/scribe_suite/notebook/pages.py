"""The pages that a cell leaves for the front end to show after its end: help, and text for the next cell.

A kernel puts them into its reply, not among the outputs, and Jupyter shows them.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import Any

#: How many pages of one reply are read.
MAX_PAGES = 100
_FOR_A_CELL = "[text for a new cell; it has not been run]\n"
_NO_EDITOR = "[there is no editor to open this file in: {}]"


def pages(reply: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The pages of a reply, as contents of ``display_data`` messages.

    Args:
        reply: Untrusted content of an ``execute_reply``.
    """
    payload = reply.get("payload")
    found = map(_page, islice(payload, MAX_PAGES)) if isinstance(payload, list) else ()
    return [{"data": data} for data in found if data]


def _page(page: object) -> Mapping[str, Any] | None:
    if not isinstance(page, dict):
        return None
    source, data, text, file = (page.get(key) for key in ("source", "data", "text", "filename"))
    if source == "page" and isinstance(data, dict):
        return data
    if source == "set_next_input" and isinstance(text, str):
        return {"text/plain": _FOR_A_CELL + text}
    if source == "edit_magic" and isinstance(file, str):
        return {"text/plain": _NO_EDITOR.format(file[:1000])}
    return None
