"""A results card as Markdown and as an HTML page."""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from scribe_suite.analysis.comparison import Comparison
from scribe_suite.analysis.presentation.formats import as_markdown, markdown_code, markdown_rows, markdown_text
from scribe_suite.analysis.presentation.page import html_list, html_page, html_results
from scribe_suite.cards.facts import CardFacts, Row

#: The text of an empty cell.
_NOTHING = "-"
#: Tables of facts contain text, which may be long: it is wrapped and left-aligned.
_STYLE = """\
.told td, .told th { text-align: left; white-space: normal; vertical-align: top; min-width: 8rem; }
pre { white-space: pre-wrap; margin: .2rem 0 .8rem; }
"""


@dataclass(frozen=True)
class Card:
    """The published content of runs.

    Attributes:
        title: The card's title.
        author: The author of the runs; empty if unknown.
        facts: Everything except the results.
        comparison: The results.
        remarks: The author's own paragraphs, in plain text.
    """

    title: str
    author: str
    facts: CardFacts
    comparison: Comparison
    remarks: tuple[str, ...] = ()

    @property
    def tables(self) -> dict[str, tuple[Row, ...]]:
        """Heading -> rows of facts, with a value for each run."""
        told = {"What was run": self.facts.what, "Agents": self.facts.agents, "Tasks": self.facts.tasks}
        said = {title: tuple(row for row in rows if any(row.values)) for title, rows in told.items()}
        return {title: rows for title, rows in said.items() if rows}

    @property
    def lists(self) -> dict[str, tuple[str, ...]]:
        """Heading -> sentences."""
        return {
            "Known flaws": self.facts.flaws or ("None that a program can see in the ledgers.",),
            "What agents may have seen before": self.facts.contamination,
        }


def card_markdown(card: Card) -> str:
    """The card as Markdown."""
    parts = [f"# {markdown_text(card.title)}"]
    parts += [f"Runs by {markdown_text(card.author)}."] if card.author else []
    parts += map(markdown_text, card.remarks)
    for title, rows in card.tables.items():
        parts += [f"## {title}", _markdown_facts(card.facts.runs, rows)]
    parts += ["## Results", as_markdown(card.comparison).strip()]
    for title, sentences in card.lists.items():
        parts += [f"## {title}", "\n".join(f"- {markdown_text(sentence)}" for sentence in sentences)]
    commands = [f"- {markdown_text(what)}: {markdown_code(command)}" for command, what in _by_command(card.facts)]
    return "\n\n".join([*parts, "## The numbers again", "\n".join(commands)]) + "\n"


def _markdown_facts(runs: Sequence[str], rows: Sequence[Row]) -> str:
    header = ["", *map(markdown_code, runs)]
    cells = [[markdown_text(row.name), *(markdown_text(value or _NOTHING) for value in row.values)] for row in rows]
    return markdown_rows(header, cells, numbers=False)


def card_html(card: Card) -> str:
    """The card as one page, without scripts and requests; text from ledgers and authors is escaped."""
    parts = [f"<p>Runs by {html.escape(card.author)}.</p>"] if card.author else []
    parts += [f"<p>{html.escape(remark)}</p>" for remark in card.remarks]
    parts += [_html_facts(title, card.facts.runs, rows) for title, rows in card.tables.items()]
    parts.append(html_results(card.comparison))
    parts += [html_list(title, sentences) for title, sentences in card.lists.items()]
    commands = "\n".join(
        f"<p>{html.escape(what)}:</p>\n<pre><code>{html.escape(command)}</code></pre>"
        for command, what in _by_command(card.facts)
    )
    return html_page(card.title, "\n".join([*parts, f"<h2>The numbers again</h2>\n{commands}"]), _STYLE)


def _html_facts(title: str, runs: Sequence[str], rows: Sequence[Row]) -> str:
    head = "".join(f'<th scope="col">{html.escape(run)}</th>' for run in runs)
    body = "\n".join(
        f'<tr><th scope="row">{html.escape(row.name)}</th>'
        + "".join(f"<td>{html.escape(value or _NOTHING)}</td>" for value in row.values)
        + "</tr>"
        for row in rows
    )
    return (
        f'<h2>{html.escape(title)}</h2>\n<div class="wide told" role="region" aria-label="{html.escape(title)}" '
        f'tabindex="0">\n<table>\n<thead><tr><th scope="col"></th>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>\n'
        "</table>\n</div>"
    )


def _by_command(facts: CardFacts) -> list[tuple[str, str]]:
    return [(command, what) for what, command in facts.commands]


#: File suffix -> function that writes the card in that format.
DOCUMENTS: Mapping[str, Callable[[Card], str]] = {"md": card_markdown, "html": card_html}
