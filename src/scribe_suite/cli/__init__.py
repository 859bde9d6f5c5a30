"""``scribe-suite``: what is not a pytest run. Lists, planting of base models, a ledger's table."""

from __future__ import annotations

import argparse
import math
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Column, Table

from scribe_suite import __version__
from scribe_suite.cli.measure import add_measure_command
from scribe_suite.cli.models import add_model_commands
from scribe_suite.cli.results import add_result_commands
from scribe_suite.errors import ConfigurationError, SuiteError
from scribe_suite.text import shortened

_DESCRIPTION = """\
Scribe Task Suite: how well do AI agents do interpretability research?

The benchmark itself is run by pytest:

  pytest benchmarks                                       all tasks, reference provider
  pytest benchmarks/probes -n 4 --provider reference,null one family, 4 at a time
  pytest benchmarks --provider reference,random --trials 3

This command does the rest."""


_LOG_WIDTH = 120
_LARGEST_SEED = 999_999
_SHOWN_TEXT = 60
_SHORTEST_INTERVAL_S = 0.1
_NO_LIMIT = 10_000
"""A width that no list reaches: what reads a pipe has no use for cells that are cut or wrapped."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code (2 for what the user can mend)."""
    parser = _parser()
    options = parser.parse_args(arguments)
    command: Callable[[argparse.Namespace], int] | None = getattr(options, "command", None)
    if command is None:
        parser.print_help()
        return 2
    try:
        return command(options)
    except SuiteError as error:
        print(f"scribe-suite: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("scribe-suite: interrupted", file=sys.stderr)
        return 130


def seed_list(text: str) -> list[int]:
    """Read ``0-5`` or ``0,2,7-9``.

    Raises:
        argparse.ArgumentTypeError: When it is neither, or a seed is too large.
    """
    if not text.strip():
        raise argparse.ArgumentTypeError("no seed is given: write a seed or a range such as 0-5.")
    seeds: list[int] = []
    for part in text.split(","):
        if not part.strip():
            raise argparse.ArgumentTypeError(f"{_shown(text)} has a comma without a seed on both sides: remove it.")
        match = re.fullmatch(r"(\d+)(?:-(\d+))?", part.strip())
        if match is None:
            raise argparse.ArgumentTypeError(f"{_shown(part)} is not a seed or a range such as 0-5.")
        first, last = _seed(match[1]), _seed(match[2] or match[1])
        if last < first:
            raise argparse.ArgumentTypeError(f"{_shown(part)} runs backwards: write {last}-{first}.")
        seeds.extend(range(first, last + 1))
    return list(dict.fromkeys(seeds))


def _seed(digits: str) -> int:
    # length first: Python refuses to read a number of thousands of digits
    if len(digits) > len(str(_LARGEST_SEED)):
        raise argparse.ArgumentTypeError(f"{_shown(digits)} is too large: the largest seed is {_LARGEST_SEED}.")
    return int(digits)


def _shown(text: str) -> str:
    return repr(shortened(text, _SHOWN_TEXT))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scribe-suite", description=_DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--version", action="version", version=f"scribe-suite {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")

    tasks = commands.add_parser("tasks", help="list the tasks and the models that they are about")
    tasks.set_defaults(command=_tasks)

    providers = commands.add_parser("providers", help="list the agent providers that --provider takes")
    providers.set_defaults(command=_providers)

    plant = commands.add_parser(
        "plant",
        help="train, certify and freeze base models of a task",
        description="Train, certify and freeze base models of a task, one for each seed, under ground_truth/frozen/. "
        "Seeds that are frozen and valid already are skipped, so an interrupted run goes on where it stopped; where "
        "they were frozen for other tasks, the checks of this one are added without training. A model whose "
        "certificate fails is reported and not written.",
    )
    plant.add_argument("task", help="task id, for example circuits/mlp_only")
    plant.add_argument(
        "--seeds", type=seed_list, default=[0], metavar="N|A-B|LIST", help="for example 0-5 (default: 0)"
    )
    plant.add_argument("--force", action="store_true", help="train again what is frozen already")
    plant.set_defaults(command=_plant)

    doctor = commands.add_parser(
        "doctor",
        help="say what works on this machine: how kernels are isolated, and how to get more",
        description="Really try how well kernels can be isolated on this machine; say what is not prevented, why it is "
        "not better, and what would help. Exit code 0 for the best tier, 1 for any other.",
    )
    doctor.set_defaults(command=_doctor)

    recover = commands.add_parser(
        "recover",
        help="bring the notebooks of attempts that were killed up to date with their journals",
        description="While a cell runs, its notebook file may lag a second behind; its journal does not. Look through "
        "a folder of attempts and write every notebook that is not what its journal says. Attempts that still run are "
        "left alone.",
    )
    recover.add_argument("folder", type=Path, nargs="?", default=Path("runs"), help="default: runs")
    recover.set_defaults(command=_recover)

    show = commands.add_parser(
        "show",
        help="print the tables of a run, also of one that was killed",
        description="Print what a run prints at its end: the tables that compare gives, what could not be scored and "
        "why, and the coverage.",
    )
    show.add_argument("ledger", type=Path, metavar="RUN", help="runs/<run>.jsonl, or a pytest-json-report")
    show.set_defaults(command=_show)

    watch = commands.add_parser(
        "watch",
        help="show what a run is doing, from another terminal",
        description="Show the attempts that run (task, provider, turn, tool, elapsed, limit) and how many are done, "
        "until the run has ended; in a terminal as a table, else as a line now and then. Exit code 0 when the run came "
        "to its end, 1 when it was cut off. It only reads: Ctrl-C ends the view, not the run.",
    )
    watch.add_argument("run", metavar="RUN", nargs="?", help="run id or ledger runs/<run>.jsonl (default: the newest)")
    watch.add_argument(
        "--results-dir", type=Path, default=Path("runs"), metavar="DIR", help="where runs are (default: runs)"
    )
    watch.add_argument("--once", action="store_true", help="show it as it is now, and exit with 0")
    watch.add_argument(
        "--interval",
        type=_interval,
        metavar="SECONDS",
        help="between two looks (default: 1 in a terminal, 60 where lines are printed)",
    )
    watch.set_defaults(command=_watch)

    report = commands.add_parser(
        "report",
        help="write a ledger's run as a static site",
        description="Write pages for a run, its tasks and its attempts: plots, scores, prompts, answers, notebooks, "
        "transcripts, journals. They need no server and no network. What an answer was scored against is told when the "
        "run's seeds were fixed; of fresh instances, only with --with-keys.",
    )
    report.add_argument("ledger", type=Path, metavar="RUN", help="runs/<run>.jsonl")
    report.add_argument(
        "-o", "--output", type=Path, default=Path("report"), help="folder; an older report there is replaced"
    )
    report.add_argument("--with-keys", action="store_true", help="show keys, seeds and base models of fresh instances")
    report.set_defaults(command=_report)

    add_model_commands(commands)
    add_measure_command(commands)
    add_result_commands(commands)
    return parser


def _tasks(_: argparse.Namespace) -> int:
    from scribe_suite.planting.frozen import frozen_folder, list_frozen
    from scribe_suite.tasks.registry import default_registry
    from scribe_suite.tasks.task import PlantedTask

    table = Table(Column("Task", no_wrap=True), "Models", "Metrics", "What is asked")
    for task in default_registry().values():
        missing = task.unavailable()
        if isinstance(task, PlantedTask):
            models = f"{len(list_frozen(frozen_folder(task)))} planted"
        else:
            models = "a real one" if missing is None else f"a real one: {missing}"
        table.add_row(task.id, models, ", ".join(task.metrics), task.summary)
    _print_list(table)
    return 0


def _providers(_: argparse.Namespace) -> int:
    from scribe_suite.providers.registry import ProviderSpec, load_provider, provider_names

    table = Table(Column("Provider", no_wrap=True), "What it does")
    for name in provider_names():
        table.add_row(name, load_provider(ProviderSpec(name)).summary)
    _print_list(table)
    return 0


def _print_list(table: Table) -> None:
    console = Console() if sys.stdout.isatty() else Console(width=_NO_LIMIT)
    console.print(table)


def _plant(options: argparse.Namespace) -> int:
    from scribe_suite.planting.runner import plant
    from scribe_suite.tasks.registry import default_registry

    return plant(default_registry().planted(options.task), options.seeds, keep_valid=not options.force)


def _recover(options: argparse.Namespace) -> int:
    from scribe_suite.notebook.recovery import recover_notebooks

    if not options.folder.is_dir():
        raise ConfigurationError(f"{options.folder} is no folder: name one that holds attempts, such as runs.")
    written = recover_notebooks(options.folder)
    for path in written:
        print(path)
    print(f"{len(written)} notebooks were brought up to date." if written else "All notebooks are up to date.")
    return 0


def _doctor(_: argparse.Namespace) -> int:
    from scribe_suite.cli.doctor import diagnose

    return diagnose(Console() if sys.stdout.isatty() else Console(width=_LOG_WIDTH))


def _show(options: argparse.Namespace) -> int:
    from scribe_suite.analysis.columns import attempts_of
    from scribe_suite.analysis.comparison import compare
    from scribe_suite.analysis.presentation.formats import print_terminal, without_controls
    from scribe_suite.analysis.summary import coverage, notes
    from scribe_suite.ledger.sources import RecordedRun, read_records

    run = RecordedRun(*read_records(options.ledger))
    console = Console() if sys.stdout.isatty() else Console(width=_LOG_WIDTH)
    print_terminal(compare(attempts_of([run])), console)
    for note in notes(run.records):
        console.print(without_controls(note), markup=False)
    console.print(str(coverage(run.records, run.info.planned.total())))
    return 0


def _interval(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value >= _SHORTEST_INTERVAL_S):
        raise argparse.ArgumentTypeError(f"{text!r} is not {_SHORTEST_INTERVAL_S:g} or more seconds.")
    return value


def _watch(options: argparse.Namespace) -> int:
    from scribe_suite.watching.watch import watch

    return watch(options.run, options.results_dir, options.interval, options.once)


def _report(options: argparse.Namespace) -> int:
    from scribe_suite.cli.report import report

    print(report(options.ledger, options.output, with_keys=options.with_keys))
    return 0


if __name__ == "__main__":
    sys.exit(main())
