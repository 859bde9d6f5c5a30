"""``scribe-suite recover``: notebooks of attempts that were killed."""

from __future__ import annotations

import argparse
from pathlib import Path

from scribe_suite.cli.parsers import Commands, add_command
from scribe_suite.errors import ConfigurationError


def register(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "recover",
        run,
        summary="bring the notebooks of attempts that were killed up to date with their journals",
        description="While a cell runs, its notebook file may lag a second behind; its journal does not. Look through "
        "a folder of attempts and write every notebook that is not what its journal says. Attempts that still run are "
        "left alone.",
        examples=("scribe-suite recover", "scribe-suite recover /data/runs"),
    )
    parser.add_argument("folder", type=Path, nargs="?", default=Path("runs"), help="default: runs")


def run(options: argparse.Namespace) -> int:
    """Write the notebooks, and name them."""
    from scribe_suite.notebook.recovery import recover_notebooks

    if not options.folder.is_dir():
        raise ConfigurationError(f"{options.folder} is not a folder: name one that holds attempts, such as runs.")
    written = recover_notebooks(options.folder)
    for path in written:
        print(path)
    print(f"{len(written)} notebooks were brought up to date." if written else "All notebooks are up to date.")
    return 0
