"""Code of cells as tokens: the numbers that were chosen in it, its names, and which cells are otherwise equivalent."""

from __future__ import annotations

import io
import keyword
import tokenize
from collections.abc import Iterator

#: Characters of a cell that are read as tokens; a longer one is no measurement with a changed setting.
MAX_CODE = 50_000
#: Tokens that a cell must have to be told from others: ``print(accuracy)`` is like any other cell of its length.
FEWEST_TOKENS = 12

_IGNORED = frozenset(
    {tokenize.COMMENT, tokenize.NL, tokenize.ENCODING, tokenize.ENDMARKER, tokenize.NEWLINE, tokenize.INDENT,
     tokenize.DEDENT}
)  # fmt: skip
_TEXTS = frozenset(
    number
    for name in ("STRING", "FSTRING_START", "FSTRING_MIDDLE", "FSTRING_END")
    if (number := getattr(tokenize, name, None)) is not None  # the parts of f-strings are tokens from Python 3.12 on
)


def chosen_numbers(code: str) -> str:
    """The numbers that stand in code outside of texts and comments, as a text; empty where it can't be read."""
    return " ".join(token.string.replace("_", "") for token in _tokens(code) if token.type == tokenize.NUMBER)


def names_in(code: str) -> str:
    """The names in code, outside of texts and comments, as a text; empty where it can't be read."""
    return " ".join(token.string for token in _tokens(code) if token.type == tokenize.NAME)


def shape(code: str) -> str | None:
    """What code does, without what it does it with: numbers, texts, and names of variables.

    Names that are called, and those behind a dot, keep their names; others become the order in which they come.

    Returns:
        Text that is the same for two cells that differ in nothing else, or None for code that is too short, too long,
        or no Python.
    """
    tokens = list(_tokens(code))
    if len(tokens) < FEWEST_TOKENS:
        return None
    names: dict[str, str] = {}
    parts = []
    for number, token in enumerate(tokens):
        if token.type == tokenize.NUMBER:
            parts.append("0")
        elif token.type in _TEXTS:
            parts.append("''")
        elif token.type == tokenize.NAME and not keyword.iskeyword(token.string):
            before = tokens[number - 1].string if number else ""
            after = tokens[number + 1].string if number + 1 < len(tokens) else ""
            keeps = before == "." or after == "("
            parts.append(token.string if keeps else names.setdefault(token.string, f"v{len(names)}"))
        else:
            parts.append(token.string)
    return " ".join(parts)


def _tokens(code: str) -> Iterator[tokenize.TokenInfo]:
    if len(code) > MAX_CODE:
        return
    try:
        tokens = list(tokenize.generate_tokens(io.StringIO(code).readline))
    except (tokenize.TokenError, SyntaxError):
        return
    yield from (token for token in tokens if token.type not in _IGNORED)
