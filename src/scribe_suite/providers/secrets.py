"""Redacts secrets: keys go only to the agent CLI that needs them, and never into written files."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import quote

MARK = "[secret]"
#: Shorter values may occur in texts by chance.
SHORTEST = 8
#: Limits for secrets from one file: their number, and the characters of each.
MOST, LONGEST = 50, 8192
_UNUSUAL = re.compile(r"[\s\"']")


class Scrubber:
    """Replaces secrets in texts.

    Args:
        secrets: Values of keys and tokens.
    """

    def __init__(self, secrets: Iterable[str]) -> None:
        found = {form for secret in secrets if len(secret) >= SHORTEST for form in _forms(secret)}
        self._forms = sorted(found, key=len, reverse=True)

    def clean(self, text: str) -> str:
        """A text without secrets, in all likely encodings of them."""
        for form in self._forms:
            text = text.replace(form, MARK)
        return text


def _forms(secret: str) -> set[str]:
    encoded = base64.b64encode(secret.encode()).decode().rstrip("=")
    return {secret, json.dumps(secret)[1:-1], quote(secret, safe=""), encoded}


def values_in_file(path: Path) -> list[str]:
    """Strings in a JSON credentials file that may be secrets: all long ones."""
    try:
        return values_in(path.read_bytes())
    except OSError:
        return []


def values_in(credentials: bytes) -> list[str]:
    """Strings in JSON credentials that may be secrets: long ones without spaces or quotes, at most `MOST`.

    A CLI may have written the file, and its content must not decide what else is cut from the record.
    """
    try:
        content = json.loads(credentials)
    except (ValueError, RecursionError):
        return []
    found: list[str] = []
    stack = [content]
    while stack:
        value = stack.pop()
        if isinstance(value, dict):
            stack.extend(value.values())
        elif isinstance(value, list):
            stack.extend(value)
        elif isinstance(value, str) and 20 <= len(value) <= LONGEST and not _UNUSUAL.search(value):
            found.append(value)
    return found[:MOST]
