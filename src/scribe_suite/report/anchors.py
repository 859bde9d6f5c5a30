"""Names of places on an attempt's page, so that a number can link to the cell that shows it."""

from __future__ import annotations

import re

from scribe_suite.report.pages import anchor

_CELL = re.compile(r"cell-[0-9]{1,6}")


def cell_anchor(notebook: str, cell: object) -> str:
    """The place of a cell in the rendered notebook; empty for a cell whose name is not that of a journal's cell.

    Args:
        notebook: Its name, without its suffix.
        cell: The journal's name of the cell; the file is untrusted.
    """
    return f"{anchor(notebook)}-{cell}" if isinstance(cell, str) and _CELL.fullmatch(cell) else ""


def run_anchor(notebook: str, cell: object, run: object) -> str:
    """The place of a run in the table of the journal; empty as for `cell_anchor`."""
    place = cell_anchor(notebook, cell)
    return f"journal-{place}-{run}" if place and isinstance(run, int) and 0 < run < 10**6 else ""
