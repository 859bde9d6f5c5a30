"""Helpers that add the parsers of commands."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeAlias

#: The argument of a command's `register`.
Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
#: Exit code after Ctrl+C, as in shells.
EXIT_INTERRUPTED = 130
#: What may be given for a run.
RUN_HELP = "run id, ledger runs/<run>.jsonl, or pytest-json-report of this suite"


class _Formatter(argparse.HelpFormatter):
    """Wraps paragraphs, and leaves indented lines (examples) unchanged."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        if text.startswith("examples:"):
            return "\n".join(f"{indent}{line}" for line in text.splitlines())
        return super()._fill_text(text, width, indent)


def add_command(
    commands: Commands,
    name: str,
    run: Callable[[argparse.Namespace], int],
    *,
    summary: str,
    description: str,
    examples: Sequence[str] = (),
    takes_options: bool = True,
) -> argparse.ArgumentParser:
    """Add a command.

    Args:
        commands: Those of the command line, or the actions of one of them.
        name: What the user types.
        run: Does the work; returns the exit code.
        summary: For the list of commands.
        description: For the command's own help.
        examples: Command lines, for the end of that.
        takes_options: Whether words that begin with a dash are its options; otherwise they are treated like all other
            words.
    """
    parser = commands.add_parser(
        name,
        help=summary,
        description=description,
        epilog="\n  ".join(("examples:", *examples)) if examples else None,
        formatter_class=_Formatter,
        prefix_chars="-" if takes_options else "\0",
        add_help=takes_options,
    )
    parser.set_defaults(run=run)
    return parser


def add_results_dir(parser: argparse.ArgumentParser) -> None:
    """Add the option that says where run ids are looked up."""
    parser.add_argument(
        "--results-dir", type=Path, default=Path("runs"), metavar="DIR", help="where runs are (default: runs)"
    )
