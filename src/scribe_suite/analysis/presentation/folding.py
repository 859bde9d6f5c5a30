"""Wraps text to fit a column: it is broken between words, then after punctuation within names, then anywhere."""

from __future__ import annotations

import re

from rich.cells import cell_len, chop_cells

#: What stays on one line: a word, or a part of a name up to the punctuation that ends it, with the spaces after it.
_PIECE = re.compile(r"[^ :/_-]*(?:[:/_-]+ *| +)|[^ :/_-]+")
#: A number and the sign after it are one word.
_UNIT = re.compile(r" (?=%)")
_HARD_SPACE = "\N{NO-BREAK SPACE}"


def pieces_of(text: str) -> list[str]:
    """The parts of a line between which it may be broken; joined, they give the line."""
    hard = _UNIT.sub(_HARD_SPACE, text)
    return [piece.replace(_HARD_SPACE, " ") for piece in _PIECE.findall(hard)]


def folded(text: str, width: int) -> str:
    """Text whose lines have at most `width` columns; a line that fits is unchanged."""
    return "\n".join(part for line in text.split("\n") for part in _lines_of(line, width))


def text_width(text: str) -> int:
    """Columns of the longest line."""
    return max(map(cell_len, text.split("\n")))


def _lines_of(line: str, width: int) -> list[str]:
    if cell_len(line) <= width:
        return [line]
    lines = [""]
    for piece in pieces_of(line):
        if lines[-1] and cell_len((lines[-1] + piece).rstrip()) > width:
            lines.append("")
        first, *rest = chop_cells(piece.rstrip(), width) or [""]
        if rest:
            lines[-1:] = [first, *rest]
            lines[-1] += piece[len(piece.rstrip()) :]
        else:
            lines[-1] += piece
    return [part.rstrip() for part in lines]
