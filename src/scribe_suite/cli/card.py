"""``scribe-suite card``: what is published of runs."""

from __future__ import annotations

import argparse
from pathlib import Path

from scribe_suite.cli.parsers import Commands, add_command, add_results_dir


def register(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "card",
        run,
        summary="write a results card: all that a reader needs to trust published numbers",
        description="Write card.md and card.html for one or several runs: what was run, by whom and with which "
        "versions; the tables of compare with their intervals, calibration and cost; known flaws; what agents may "
        "have seen before; the commands that make the numbers again. The seeds of fresh instances are not on it.",
        examples=(
            "scribe-suite card 20261122-174501-a1b2c3 -o card",
            "scribe-suite card monday friday --title 'Two agents in November' --by 'Example Lab'",
        ),
    )
    parser.add_argument("runs", nargs="+", metavar="RUN", help="run id, or ledger runs/<run>.jsonl")
    add_results_dir(parser)
    parser.add_argument("-o", "--output", type=Path, default=Path("card"), metavar="DIR", help="folder; default: card")
    parser.add_argument("--title", default="Results card", help="default: Results card")
    parser.add_argument("--by", default="", metavar="NAME", help="who made the runs")
    parser.add_argument(
        "--remarks", type=Path, metavar="FILE", help="plain text that stands at the top, such as flaws that you know of"
    )
    parser.add_argument(
        "--allow-different-versions",
        action="store_true",
        help="compare attempts even if the versions of a task differ",
    )


def run(options: argparse.Namespace) -> int:
    """Write the card; name its files."""
    from scribe_suite.analysis.comparison import compare_runs
    from scribe_suite.cards.documents import DOCUMENTS, Card
    from scribe_suite.cards.facts import card_facts
    from scribe_suite.errors import ConfigurationError
    from scribe_suite.ledger.ledger import read_ledger
    from scribe_suite.ledger.run_names import find_run
    from scribe_suite.report.old_ledgers import WithGrounding
    from scribe_suite.tasks.registry import default_registry

    paths = [find_run(name, options.results_dir) for name in options.runs]
    facts = card_facts([read_ledger(path) for path in paths], default_registry().facts)
    comparison = compare_runs(paths, allow_different_versions=options.allow_different_versions, complete=WithGrounding)
    card = Card(options.title, options.by, facts, comparison, _paragraphs(options.remarks))
    try:
        options.output.mkdir(parents=True, exist_ok=True)
        for ending, document in DOCUMENTS.items():
            path = options.output / f"card.{ending}"
            path.write_text(document(card), encoding="utf-8")
            print(path)
    except OSError as error:
        raise ConfigurationError(f"The card can't be written to {options.output} ({error.strerror}).") from error
    return 0


def _paragraphs(path: Path | None) -> tuple[str, ...]:
    from scribe_suite.errors import ConfigurationError

    if path is None:
        return ()
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"The remarks in {path} can't be read as text ({error}).") from error
    return tuple(" ".join(part.split()) for part in text.split("\n\n") if part.strip())
