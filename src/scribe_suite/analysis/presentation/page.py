"""A comparison as one HTML page without scripts or requests, for phones and large screens."""

from __future__ import annotations

import html
from collections.abc import Iterable

from scribe_suite.analysis.comparison import Comparison
from scribe_suite.analysis.presentation.result_table import ResultTable
from scribe_suite.analysis.presentation.tables import notes_of, tables_of

_STYLE = """\
:root { color-scheme: light dark; font-family: system-ui, "DejaVu Sans", sans-serif; line-height: 1.5; }
body { margin: 0 auto; max-width: 75rem; padding: 1rem; overflow-wrap: anywhere; }
h1 { font-size: 1.6rem; margin: .5rem 0 1rem; }
h2 { font-size: 1.1rem; margin: 1.8rem 0 .3rem; }
/* a shadow at the right edge says that there is more; what covers it at the end scrolls with the table */
.wide {
  overflow-x: auto;
  background: linear-gradient(to left, Canvas 30%, transparent) right / 2.5rem 100% no-repeat local,
    linear-gradient(to left, #8888, transparent) right / .8rem 100% no-repeat scroll;
}
.wide:focus-visible { outline: 3px solid LinkText; outline-offset: 2px; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; overflow-wrap: normal; }
th, td { border-bottom: 1px solid #8886; padding: .3rem .7rem; text-align: right; white-space: nowrap; }
thead th { font-weight: 500; vertical-align: bottom; white-space: normal; }
thead th b { display: block; white-space: nowrap; margin-left: auto; }
th:first-child { text-align: left; padding-left: 0; background: Canvas; position: sticky; left: 0; }
tbody th { font-weight: 500; }
@media (max-width: 40rem) {
  table { font-size: .88rem; }
  th, td { padding: .3rem .45rem; }
  tbody th { min-width: 6.5rem; max-width: 9rem; white-space: normal; overflow-wrap: break-word; }
  thead th b { max-width: 9rem; white-space: normal; }
}
@media print { .wide { overflow: visible; background: none; } }
"""


def as_html(comparison: Comparison) -> str:
    """The page; names in it come from untrusted ledgers and are escaped."""
    return html_page("Comparison", html_results(comparison))


def html_page(title: str, body: str, style: str = "") -> str:
    """A page.

    Args:
        title: Text.
        body: HTML below the heading.
        style: CSS besides that of tables.
    """
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>Scribe Task Suite: {html.escape(title)}</title>\n<style>\n{_STYLE}{style}</style>\n</head>\n<body>\n"
        f"<main>\n<h1>{html.escape(title)}</h1>\n{body}\n</main>\n</body>\n</html>\n"
    )


def html_results(comparison: Comparison) -> str:
    """The tables and notes, as a part of a page."""
    tables = "\n".join(_html_table(table) for table in tables_of(comparison) if not table.is_empty)
    return "\n".join(filter(None, (tables, html_list("Notes", notes_of(comparison)))))


def html_list(title: str, sentences: Iterable[str]) -> str:
    """Sentences below a heading; nothing when there are none."""
    items = "\n".join(f"<li>{html.escape(sentence)}</li>" for sentence in sentences)
    return f"<h2>{html.escape(title)}</h2>\n<ul>\n{items}\n</ul>" if items else ""


def _html_table(table: ResultTable) -> str:
    table = table.without_empty()
    title = html.escape(table.title)
    titles = "".join(
        f'<th scope="col">{f"<b>{html.escape(column.of)}</b>" if column.of else ""}{html.escape(column.title)}</th>'
        for column in table.columns
    )
    rows = "\n".join(
        f'<tr><th scope="row">{html.escape(name)}</th>'
        + "".join(f"<td>{html.escape(column.text(row))}</td>" for column in table.columns)
        + "</tr>"
        for row, name in enumerate(table.rows)
    )
    # the title is not a caption, which would scroll away with the table
    return (
        f'<h2>{title}</h2>\n<div class="wide" role="region" aria-label="{title}" tabindex="0">\n<table>\n'
        f'<thead><tr><th scope="col">{html.escape(table.first)}</th>{titles}</tr></thead>\n'
        f"<tbody>\n{rows}\n</tbody>\n</table>\n</div>"
    )
