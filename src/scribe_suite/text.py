"""Texts of others in messages of ours."""

from __future__ import annotations


def shortened(text: str, longest: int) -> str:
    """The text, or its beginning and three dots where it has more than `longest` characters."""
    return text if len(text) <= longest else text[: longest - 3] + "..."
