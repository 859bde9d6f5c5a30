"""The text of a tool result: consecutive parts, shortened in the middle until everything fits.

Agents read it as they would read a terminal: nothing is escaped. The same reply as a dict is for programs that ask for
it (see `tools`).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any


def fit_parts(parts: Sequence[str], limit: int) -> tuple[str, bool]:
    """Parts as one text of fewer than ``limit`` characters.

    Parts that are too long keep head and tail, with a note on how much was left out. All parts get the same
    budget, so short ones stay whole and long ones share what is left.

    Args:
        parts: Texts; empty ones are left out.
        limit: The limit in characters.

    Returns:
        The text, and whether something was left out.
    """
    parts = [part for part in parts if part]
    low, high = 0, max(map(len, parts), default=0)
    if _size(parts, high) < limit:
        return "\n".join(parts), False
    while low < high:  # the largest budget that fits
        middle = (low + high + 1) // 2
        low, high = (middle, high) if _size(parts, middle) < limit else (low, middle - 1)
    return "\n".join(shorten(part, low) for part in parts)[: limit - 1], True


def fit_payload(payload: dict[str, Any], limit: int) -> dict[str, Any]:
    """A JSON-safe dict whose JSON text has fewer than ``limit`` characters: its strings are shortened in the middle.

    Args:
        payload: JSON-safe dict.
        limit: Characters; JSON escapes (a newline is two characters) are counted as sent.
    """
    budget = limit
    fitted = payload
    while len(json.dumps(fitted, ensure_ascii=False)) >= limit and budget > 40:
        budget = budget * 3 // 4
        fitted = _shorten_all(payload, budget)
    return fitted


def shorten(text: str, budget: int) -> str:
    """Text of at most ``budget`` characters, besides a note on what was left out of its middle."""
    if len(text) <= budget:
        return text
    half = budget // 2
    return f"{text[:half]}{_note(len(text) - 2 * half)}{text[len(text) - half :]}"


def _note(count: int) -> str:
    return f"\n[... {count:,} characters left out ...]\n"


def _size(parts: Sequence[str], budget: int) -> int:
    """Characters of all parts, shortened to a budget, with their line ends."""
    return sum(
        1 + (len(part) if len(part) <= budget else budget // 2 * 2 + len(_note(len(part) - budget // 2 * 2)))
        for part in parts
    )


def _shorten_all(value: Any, budget: int) -> Any:
    if isinstance(value, str):
        return shorten(value, budget)
    if isinstance(value, dict):
        return {key: _shorten_all(item, budget) for key, item in value.items()}
    if isinstance(value, list):
        if all(isinstance(item, str) for item in value) and sum(map(len, value)) > budget:
            return shorten("\n".join(value), budget).split("\n") if value else value
        return [_shorten_all(item, budget) for item in value]
    return value
