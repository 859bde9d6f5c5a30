"""Code of cells as tokens: the numbers chosen in it, its names, and which cells are otherwise equivalent."""

from __future__ import annotations

import io
import keyword
import tokenize
from collections.abc import Iterator

#: Longest cell that is read as tokens, in characters; a longer one is not a measurement with a changed setting.
MAX_CODE = 50_000
#: Fewest tokens that identify a cell: ``print(accuracy)`` is like any other cell of its length.
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
    """The numbers in code, outside of strings and comments, as a text; empty where it can't be parsed."""
    return " ".join(token.string.replace("_", "") for token in _tokens(code) if token.type == tokenize.NUMBER)


def names_in(code: str) -> str:
    """The names in code, outside of strings and comments, as a text; empty where it can't be parsed."""
    return " ".join(token.string for token in _tokens(code) if token.type == tokenize.NAME)


def shape(code: str) -> str | None:
    """The structure of code, without its numbers, strings, and names of variables.

    Names that are called or that follow a dot are kept; others are replaced by their order of appearance.

    Returns:
        The same text for two cells that differ in nothing else; None for code that is too short, too long, or not
        Python.
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
