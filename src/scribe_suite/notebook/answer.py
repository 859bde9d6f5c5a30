"""Reads an answer from a kernel: the code that runs inside, and the validation of its untrusted reply.

The variable is read through a user expression of a silent request: no cell, no history entry, no name in the user's
namespace. Inside, `answer_reader` converts arrays, tensors, sets, dataclasses and pydantic models; NaN stays NaN, so
that the validator can refuse it by name.
"""

from __future__ import annotations

import base64
import hashlib
import json
import keyword
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from scribe_suite.notebook.answer_reader import NPY
from scribe_suite.notebook.errors import AnswerUnreadableError
from scribe_suite.notebook.outputs import clean_text
from scribe_suite.text import plain_text

EXPRESSION_NAME = "answer"
#: A surrogate as written in JSON, and one that remains after pairs have become characters.
_ESCAPED, _HALF = re.compile(r"\\u[dD][89a-fA-F]"), re.compile("[\ud800-\udfff]")
_READER = (Path(__file__).parent / "answer_reader.py").read_text()


def reading_expression(variable: str, limit: int, arrays: Mapping[str, int] | None = None) -> str:
    """A Python expression whose value is the variable as marked, base64-encoded JSON text.

    Args:
        variable: Name of a variable of the session.
        limit: Bytes of JSON it may have.
        arrays: Entry that may be an array -> bytes that its numbers may have.

    Raises:
        AnswerUnreadableError: When it is not a variable name.
    """
    if not variable.isidentifier() or keyword.iskeyword(variable):
        raise AnswerUnreadableError(
            f"{variable[:100]!r} is not the name of a variable; assign the answer to a variable and pass its name."
        )
    load = f"__import__('builtins').exec({_READER!r}, inside)"
    read = f"inside['read_answer'](globals(), {variable!r}, {limit}, {dict(arrays or {})!r})"
    return f"(lambda inside: ({load}, {read})[1])({{'__name__': 'scribe_answer'}})"


def decode_answer(expressions: dict[str, Any], limit: int) -> str:
    """The JSON text that a kernel claims to have read.

    Args:
        expressions: The user expressions of the reply, as the kernel sent them.
        limit: Bytes of JSON the answer may have.

    Returns:
        JSON text of at most ``limit`` bytes; NaN and Infinity are possible.

    Raises:
        AnswerUnreadableError: When the kernel found nothing to read or sent something else, or when a text contains
            half a character.
    """
    reply = expressions.get(EXPRESSION_NAME)
    if not isinstance(reply, dict):
        raise AnswerUnreadableError("The kernel did not return the variable; run a cell to see whether it still works.")
    if reply.get("status") != "ok":
        name, message = (clean_text(reply.get(key, "")) for key in ("ename", "evalue"))
        raise AnswerUnreadableError(
            f"Reading the variable raised {plain_text(name[:200])}: {plain_text(message[:1000])}"
        )
    marked = _unpack(reply.get("data"), limit)
    if marked.startswith("-"):
        raise AnswerUnreadableError(f"The answer can't be read: {plain_text(marked[1:2000])}")
    text = marked[1:]
    if len(text.encode()) > limit:
        raise AnswerUnreadableError(f"The answer is larger than {limit:,} bytes of JSON; submit less.")
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise AnswerUnreadableError(f"The kernel returned something that is not JSON: {error}.") from error
    if _ESCAPED.search(text) and (half := _HALF.search(json.dumps(value, ensure_ascii=False))):
        raise AnswerUnreadableError(
            f"The answer has half a character (the lone surrogate U+{ord(half[0]):04X}) in a text: leave it out, or "
            "write the whole character, and submit again."
        )
    return text


def without_arrays(text: str, names: Iterable[str]) -> str:
    """An answer as a journal quotes it: with the checksum of each array in its place.

    Args:
        text: JSON text.
        names: The entries that may be arrays.
    """
    names = tuple(names)
    content = json.loads(text) if names else None
    if not isinstance(content, dict):
        return text
    for name in names:
        array = content.get(name)
        if isinstance(array, dict) and isinstance(array.get(NPY), str):
            coded = array[NPY].encode()
            content[name] = {"base64_sha256": hashlib.sha256(coded).hexdigest(), "characters": len(coded)}
    return json.dumps(content)


def _unpack(data: Any, limit: int) -> str:
    """The result of `answer_reader.read_answer` without its quotes: base64 needs no parser."""
    literal = data.get("text/plain") if isinstance(data, dict) else None
    try:
        if not isinstance(literal, str) or not 2 <= len(literal) <= limit * 4 // 3 + 4096:
            raise ValueError("no text, or too much")
        if literal[0] not in "'\"" or literal[-1] != literal[0]:
            raise ValueError("not in quotes")
        marked = base64.b64decode(literal[1:-1], validate=True).decode()
        if marked[:1] not in ("+", "-"):
            raise ValueError("no mark")
    except ValueError as error:  # also of base64 and UTF-8
        raise AnswerUnreadableError("The kernel returned the variable in a form that can't be read.") from error
    return marked
