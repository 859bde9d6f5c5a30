"""``scribe-suite``, for everything that is not a pytest run. One module for each command; `COMMANDS` lists them.

A command module has ``register(commands)``, which adds its parser, and ``run(options)``, which does the work and
returns the exit code. It imports what the work needs in the functions that do it, so that help and lists appear at
once.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence

from scribe_suite import __version__
from scribe_suite.cli import (
    attempt,
    card,
    compare,
    diff,
    doctor,
    export,
    export_task,
    measure,
    merge,
    models,
    new,
    pack,
    plant,
    providers,
    recover,
    report,
    run,
    schema,
    show,
    sweep,
    tasks,
    watch,
)
from scribe_suite.cli.parsers import EXIT_INTERRUPTED
from scribe_suite.errors import SuiteError

#: In the order of the help text: what there is, what a run does and has done, how truths are made.
COMMANDS = (
    run, attempt, tasks, providers, models, doctor,
    watch, show, compare, diff, report, card, export, export_task, merge, sweep, pack, recover, schema,
    new, plant, measure,
)  # fmt: skip

_DESCRIPTION = """\
Scribe Task Suite: how well do AI agents do interpretability research?

The benchmark itself is run by pytest, in a checkout by its name:

  pytest benchmarks                                       all tasks, reference provider
  pytest benchmarks/probes -n 4 --provider reference,null one family, 4 at a time
  pytest benchmarks --provider reference,random --trials 3

and everywhere with the commands bench and run, which take the same options."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code (2 for mistakes that the user can correct)."""
    command_line = parser()
    options = command_line.parse_args(arguments)
    work: Callable[[argparse.Namespace], int] | None = getattr(options, "run", None)
    if work is None:
        command_line.print_help()
        return 2
    try:
        return work(options)
    except SuiteError as error:
        print(f"scribe-suite: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("scribe-suite: interrupted", file=sys.stderr)
        return EXIT_INTERRUPTED


def parser() -> argparse.ArgumentParser:
    """The command line with all commands."""
    made = argparse.ArgumentParser(
        prog="scribe-suite", description=_DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    made.add_argument("--version", action="version", version=f"scribe-suite {__version__}")
    commands = made.add_subparsers(title="commands", metavar="COMMAND")
    for command in COMMANDS:
        command.register(commands)
    return made


if __name__ == "__main__":
    sys.exit(main())
