"""``scribe-suite measure``: compute measured truths, with progress, and go on where it stopped."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Column, Table

from scribe_suite.errors import ConfigurationError
from scribe_suite.measurements import REAL_MODEL
from scribe_suite.models.device import DEVICES

if TYPE_CHECKING:
    from scribe_suite.measurements.measurement import Measurement


def add_measure_command(commands: Any) -> None:
    """Add ``measure`` to the subparsers of the command line."""
    parser = commands.add_parser(
        "measure",
        help="measure the truth that tasks on a real language model are scored against",
        description="Compute, on a real language model, what the real tasks are scored against: exhaustive scans, "
        "curves of reference and chance, ceilings of probes. The results for " + REAL_MODEL + " are part of the suite; "
        "measuring them again is only needed for another model or after a change. Every finished step is kept, so an "
        "interrupted run goes on where it stopped.",
    )
    parser.add_argument(
        "measurements", nargs="*", metavar="ID", help="for example neurons/text_scan; without one, they are listed"
    )
    parser.add_argument("--all", action="store_true", help="all of them")
    parser.add_argument(
        "--model", default=REAL_MODEL, metavar="SPEC", help="the model, see `scribe-suite models` (%(default)s)"
    )
    parser.add_argument("--device", choices=DEVICES, default="auto", help="where the model runs (%(default)s)")
    parser.add_argument("--force", action="store_true", help="measure again what is there already")
    parser.add_argument(
        "--ship", action="store_true", help="write into ground_truth/measured/ of the checkout instead of the cache"
    )
    parser.set_defaults(command=_command)


def known_measurements() -> dict[str, Measurement]:
    """All measurements that a task needs, by id."""
    from scribe_suite.measurements.measured_task import MeasuredTask
    from scribe_suite.tasks.registry import default_registry

    tasks = (task for task in default_registry().values() if isinstance(task, MeasuredTask))
    return dict(sorted({task.measurement.id: task.measurement for task in tasks}.items()))


def _command(options: argparse.Namespace) -> int:
    # torch, and the task files: not for `scribe-suite --help`
    from scribe_suite.measurements.runner import measure
    from scribe_suite.models.device import choose_device
    from scribe_suite.models.spec import find

    known = known_measurements()
    unknown = [name for name in options.measurements if name not in known]
    if unknown:
        raise ConfigurationError(f"Unknown measurement {unknown[0]!r}: choose from {', '.join(known)}.")
    console = Console()
    if not options.measurements and not options.all:
        console.print(_listed(known, options.model))
        console.print("Measure with: scribe-suite measure ID ..., or --all", markup=False, highlight=False)
        return 0
    model = find(options.model)
    if isinstance(model, str):
        raise ConfigurationError(model)
    choose_device(options.device)
    chosen = list(known) if options.all else options.measurements
    return measure([known[name] for name in chosen], model, console, force=options.force, ship=options.ship)


def _listed(known: dict[str, Measurement], spec: str) -> Table:
    from scribe_suite.measurements import store

    table = Table(Column("Measurement", no_wrap=True), "What", "Cost, one thread", f"On {spec}")
    for measurement in known.values():
        found = store.find_measured(measurement, spec)
        made = found if isinstance(found, str) else f"measured in {_cpu_minutes(found.record.made):.1f} CPU min"
        table.add_row(measurement.id, measurement.summary, measurement.cost, made)
    return table


def _cpu_minutes(made: dict[str, Any]) -> float:
    return float(sum(made["cpu_s"].values())) / 60
