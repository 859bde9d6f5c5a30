"""What a cell has left for the front end to show when it has ended: pages of help and text for the next cell.

A kernel puts them into its reply and not among the outputs; Jupyter shows them all the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import Any

#: Pages of one reply that are looked at.
MAX_PAGES = 100
_FOR_A_CELL = "[text for a new cell; it has not been run]\n"
_NO_EDITOR = "[there is no editor to open this file in: {}]"


def pages(reply: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What a reply wants shown, as contents of ``display_data`` messages.

    Args:
        reply: Content of an ``execute_reply``, of which nothing is believed.
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
