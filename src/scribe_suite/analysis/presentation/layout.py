"""Tables for a terminal that are no wider than a line, by splitting them at their columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table


@dataclass(frozen=True)
class Columns:
    """Columns that are there to be compared, such as those of one metric: titles, and cells by row."""

    titles: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def lay_out(first: str, names: Sequence[str], blocks: Sequence[Columns], width: int) -> list[Table]:
    """Tables of no more than `width` characters, where one can be: what does not fit goes into a further table.

    Args:
        first: Title of the first column, which is repeated in each.
        names: That column's cells.
        blocks: All others; a block stays together.
        width: Characters a line may have.
    """
    tables: list[Table] = []
    waiting: list[Columns] = []
    for block in blocks:
        if waiting and _width(_table(first, names, [*waiting, block])) > width:
            tables.append(_table(first, names, waiting))
            waiting = []
        waiting.append(block)
    return [*tables, _table(first, names, waiting)]


def _table(first: str, names: Sequence[str], blocks: Sequence[Columns]) -> Table:
    table = Table(box=SIMPLE_HEAD)
    table.add_column(first, no_wrap=True)
    for heading in (heading for block in blocks for heading in block.titles):
        table.add_column(heading, justify="right", no_wrap=True)
    for number, name in enumerate(names):
        table.add_row(name, *(cell for block in blocks for cell in block.rows[number]))
    return table


def _width(table: Table) -> int:
    return Console(width=10_000).measure(table).maximum
