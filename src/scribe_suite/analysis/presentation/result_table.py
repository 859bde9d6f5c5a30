"""A table of values, which every format shows in its own way."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeVar

from scribe_suite.analysis.statistics import Interval

Kind = Literal["text", "count", "number", "difference", "interval", "p", "money", "seconds", "tokens"]
#: A cell without a value.
NOTHING = "-"
_Thing = TypeVar("_Thing")
Value = float | int | str | Interval | None


@dataclass(frozen=True)
class Column:
    """Values of one kind, one per row; `of` is the side they belong to where the rows are not sides themselves."""

    title: str
    kind: Kind
    values: tuple[Value, ...]
    of: str = ""

    def text(self, row: int) -> str:
        """The cell's text."""
        return text_of(self.values[row], self.kind)


@dataclass(frozen=True)
class ResultTable:
    """One table.

    Attributes:
        key: Its name for programs; several tables with the same key are one table to them.
        first: Title of the column of row names.
        blocks: Columns; those of a block belong together.
        of: The kind of thing that `Column.of` names.
    """

    key: str
    title: str
    first: str
    rows: tuple[str, ...]
    blocks: tuple[tuple[Column, ...], ...]
    of: str = "Provider"

    @property
    def columns(self) -> Iterable[Column]:
        """All columns, from left to right."""
        return (column for block in self.blocks for column in block)

    @property
    def is_empty(self) -> bool:
        """Whether it has no values."""
        return all(value is None for column in self.columns for value in column.values)

    def without_empty(self) -> ResultTable:
        """The table without the columns that have no value in any row, unless all columns are like that."""
        kept = [tuple(one for one in block if any(value is not None for value in one.values)) for block in self.blocks]
        blocks = tuple(block for block in kept if block)
        return replace(self, blocks=blocks) if blocks else self


def _p_text(value: float) -> str:
    return "<0.0001" if value < 0.0001 else f"{value:.4f}"


_TEXTS: dict[Kind, Callable[..., str]] = {
    "text": str,
    "count": "{:,}".format,
    "number": "{:.3f}".format,
    "difference": "{:+.3f}".format,
    "interval": "{:.3f}".format,
    "p": _p_text,
    "money": "{:,.2f}".format,
    "seconds": "{:,.1f}".format,
    "tokens": "{:,.0f}".format,
}


def text_of(value: Value, kind: Kind) -> str:
    """The text of a cell; the ends of an interval are formatted like its kind, where "interval" means plain numbers."""
    if isinstance(value, tuple):
        return f"[{', '.join(map(_TEXTS[kind], value))}]"
    return NOTHING if value is None else _TEXTS[kind](value)


def column(title: str, kind: Kind, values: Iterable[Value]) -> Column:
    """A column whose rows are the sides themselves, or pairs of them."""
    return Column(title, kind, tuple(values))


def column_of(title: str, kind: Kind, things: Iterable[_Thing | None], value: Callable[[_Thing], Value]) -> Column:
    """A column with a value of something that not every row has."""
    return column(title, kind, (None if thing is None else value(thing) for thing in things))


def by_side(key: str, title: str, labels: Sequence[str], blocks: Iterable[tuple[Column, ...]]) -> ResultTable:
    """A table with a row for each side."""
    return ResultTable(key, title, "Provider", tuple(labels), tuple(blocks))
