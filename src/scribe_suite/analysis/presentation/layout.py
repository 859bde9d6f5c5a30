"""Lays out tables so that they are no wider than the terminal.

If a table does not fit, its headings and names are wrapped and, if necessary, it is split into parts with the same
rows. Among the ways to do so, the one with the fewest lines is used.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from scribe_suite.analysis.presentation.folding import folded, pieces_of, text_width

#: Widths of wrapped headings that are tried, the most readable first.
_HEADINGS = (30, 22, 16, 11)
#: Longest word in a heading; longer ones are broken.
_LONGEST_WORD = 16
#: Shares of the line that the names and texts of a row may take, in the same order.
_NAMES = (0.7, 0.6, 0.5, 0.4, 0.3)
#: Fewest columns for a name, on the narrowest line.
_NARROWEST_NAME = 14
#: Lines of a part besides its headings and rows: a title, a rule, and blank ones.
_FRAME = 4


@dataclass(frozen=True)
class Columns:
    """Columns that belong together, such as those of one metric: titles, and cells by row."""

    titles: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    @property
    def each(self) -> Iterator[Columns]:
        """Its columns as separate blocks."""
        for number, title in enumerate(self.titles):
            yield Columns((title,), tuple((row[number],) for row in self.rows))

    @cached_property
    def cell_widths(self) -> list[int]:
        """The widths of its columns without their titles."""
        return [max([text_width(row[number]) for row in self.rows] or [0]) for number in range(len(self.titles))]

    @property
    def widths(self) -> list[int]:
        """The widths of its columns."""
        return [max(text_width(title), cells) for title, cells in zip(self.titles, self.cell_widths, strict=True)]


@dataclass(frozen=True)
class Layout:
    """One way to show a table.

    Attributes:
        keys: The columns that name a row; every part begins with them.
        parts: The blocks of each.
        whole: Whether every block is in one part.
        as_it_is: Whether nothing is wrapped or split.
    """

    keys: Columns
    parts: Sequence[Sequence[Columns]]
    whole: bool
    as_it_is: bool = False

    @cached_property
    def width(self) -> int:
        """The width of the widest part."""
        return max(_width([self.keys, *part]) for part in self.parts)

    @cached_property
    def lines(self) -> int:
        """How many lines it has in total."""
        return sum(_FRAME + _height([self.keys, *part]) for part in self.parts)

    @property
    def tables(self) -> list[Table]:
        """The parts as tables to print."""
        return [_table(self.keys, part) for part in self.parts]


def lay_out(keys: Columns, blocks: Sequence[Columns], width: int) -> Layout:
    """Lay out a table in parts that are no wider than `width`, where possible.

    Args:
        keys: The columns that name a row.
        blocks: All other columns; a block stays together where it fits a line.
        width: Columns of a line.
    """
    if _width([keys, *blocks]) <= width:
        return Layout(keys, [blocks], whole=True, as_it_is=True)
    tried = [
        _parted(
            _with_folded_cells(keys, _name_width(keys.widths, int(share * width))),
            [
                _with_folded_titles(_with_folded_cells(block, max(_NARROWEST_NAME, width // 3)), most)
                for block in blocks
            ],
            width,
        )
        for share, most in product(_NAMES, _HEADINGS)
    ]
    return best_of(tried, width)


def best_of(layouts: Sequence[Layout], width: int) -> Layout:
    """The layout with the fewest lines among those that fit; the first one if several are equal."""
    return min(layouts, key=lambda one: (max(0, one.width - width), one.lines))


def _name_width(needed: Sequence[int], given: int) -> int:
    """The largest width of names at which all columns of names take at most `given`: short ones leave room."""
    left = given
    for number, width in enumerate(sorted(needed)):
        share = left // (len(needed) - number)
        if width > share:
            return max(_NARROWEST_NAME, share)
        left -= width
    return max(_NARROWEST_NAME, *needed)


def _with_folded_cells(columns: Columns, longest: int) -> Columns:
    if max(columns.cell_widths, default=0) <= longest:
        return columns
    return replace(columns, rows=tuple(tuple(folded(cell, longest) for cell in row) for row in columns.rows))


def _with_folded_titles(columns: Columns, most: int) -> Columns:
    titles = []
    for title, cells in zip(columns.titles, columns.cell_widths, strict=True):
        word = max(text_width(piece.rstrip()) for line in title.split("\n") for piece in pieces_of(line) or [""])
        titles.append(folded(title, max(most, cells, min(word, _LONGEST_WORD))))
    return replace(columns, titles=tuple(titles))


def _parted(keys: Columns, blocks: Sequence[Columns], width: int) -> Layout:
    parts: list[list[Columns]] = []
    whole = True
    for block in blocks:
        together = _width([keys, block]) <= width
        whole &= together
        for number, piece in enumerate([block] if together else block.each):
            torn = not together and number == 0  # its beginning would stand behind another block's end
            if not parts or torn or _width([keys, *parts[-1], piece]) > width:
                parts.append([])
            parts[-1].append(piece)
    return Layout(keys, parts, whole)


def _width(blocks: Sequence[Columns]) -> int:
    """Width of a table of these blocks: each cell has a space on both sides and one before it, as has the end."""
    widths = [needed for block in blocks for needed in block.widths]
    return sum(widths) + 3 * len(widths) + 1


def _height(blocks: Sequence[Columns]) -> int:
    """Lines of the headings and the rows."""
    rows = zip(*(block.rows for block in blocks), strict=True)
    titles = [title for block in blocks for title in block.titles]
    return _lines(titles) + sum(_lines([cell for cells in row for cell in cells]) for row in rows)


def _lines(cells: Sequence[str]) -> int:
    return 1 + max(cell.count("\n") for cell in cells)


def _table(keys: Columns, blocks: Sequence[Columns]) -> Table:
    table = Table(box=SIMPLE_HEAD)
    for heading in keys.titles:
        table.add_column(Text(heading), no_wrap=True)
    for heading in (heading for block in blocks for heading in block.titles):
        table.add_column(Text(heading), justify="right", no_wrap=True)
    for number, names in enumerate(keys.rows):
        cells = (cell for block in blocks for cell in block.rows[number])
        table.add_row(*map(Text, names), *map(Text, cells))
    return table
