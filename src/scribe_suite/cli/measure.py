"""``scribe-suite measure``: compute measured truths, with progress, and resume an interrupted measurement."""

from __future__ import annotations

import argparse
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from scribe_suite.cli.parsers import EXIT_INTERRUPTED, Commands, add_command
from scribe_suite.errors import ConfigurationError, FrozenModelError
from scribe_suite.measurements import REAL_MODEL
from scribe_suite.models.device import DEVICES

if TYPE_CHECKING:
    from rich.console import Console

    from scribe_suite.measurements.measurement import Measurement
    from scribe_suite.models.cache import CachedModel

EXIT_NOT_CERTIFIED = 1


def register(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "measure",
        run,
        summary="measure the truth that tasks on a real language model are scored against",
        description="Compute, on a real language model, what the real tasks are scored against: exhaustive scans, "
        "curves of reference and chance, ceilings of probes. The results for " + REAL_MODEL + " are part of the suite; "
        "measuring them again is only needed for another model or after a change. Every finished step is kept, so an "
        "interrupted run goes on where it stopped.",
        examples=("scribe-suite measure", "scribe-suite measure neurons/text_scan --model hub:gpt2"),
    )
    parser.add_argument(
        "measurements", nargs="*", metavar="ID", help="for example neurons/text_scan; without one, they are listed"
    )
    parser.add_argument("--all", action="store_true", help="all of them")
    parser.add_argument(
        "--model", default=REAL_MODEL, metavar="SPEC", help="the model, see `scribe-suite models` (%(default)s)"
    )
    parser.add_argument("--device", choices=DEVICES, default="auto", help="where the model runs (%(default)s)")
    parser.add_argument("--force", action="store_true", help="repeat measurements that exist already")
    parser.add_argument(
        "--ship", action="store_true", help="write into ground_truth/measured/ of the checkout instead of the cache"
    )


def known_measurements() -> dict[str, Measurement]:
    """All measurements that a task needs, by id."""
    from scribe_suite.measurements.measured_task import MeasuredTask
    from scribe_suite.tasks.registry import default_registry

    tasks = (task for task in default_registry().of_source("real") if isinstance(task, MeasuredTask))
    return dict(sorted({task.measurement.id: task.measurement for task in tasks}.items()))


def run(options: argparse.Namespace) -> int:
    """Measure what is asked for, or list what can be measured."""
    from rich.console import Console

    from scribe_suite.cli.consoles import console_for_lists, say
    from scribe_suite.models.device import choose_device
    from scribe_suite.models.spec import find

    known = known_measurements()
    unknown = [name for name in options.measurements if name not in known]
    if unknown:
        raise ConfigurationError(f"Unknown measurement {unknown[0]!r}: choose from {', '.join(known)}.")
    console = Console()
    if not options.measurements and not options.all:
        say(_listed(known, options.model, console_for_lists().width))
        say("Measure with: scribe-suite measure ID ..., or --all")
        return 0
    model = find(options.model)
    if isinstance(model, str):
        raise ConfigurationError(model)
    choose_device(options.device)
    chosen = list(known) if options.all else options.measurements
    return measure([known[name] for name in chosen], model, console, force=options.force, ship=options.ship)


def measure(
    measurements: Sequence[Measurement], model: CachedModel, console: Console, *, force: bool, ship: bool
) -> int:
    """Make results one by one.

    Args:
        measurements: What to measure.
        model: The converted model.
        console: For progress and messages.
        force: Measure again, even where results or kept steps exist.
        ship: Write into the checkout.

    Returns:
        0; 1 when a certificate failed (nothing is written for it); 130 when the user interrupted it.
    """
    from scribe_suite.cli.consoles import say
    from scribe_suite.measurements import store

    spec = model.record.spec
    failed = False
    for number, measurement in enumerate(measurements):
        if force:
            store.forget_steps(store.steps_folder(measurement, spec))
        elif not isinstance(store.find_measured(measurement, spec), str):
            say(f"{measurement.id} is measured already", console)
            continue
        try:
            _measure(measurement, model, console, ship=ship)
        except KeyboardInterrupt:
            left = " ".join(one.id for one in measurements[number:])
            further = f"--model {spec}" + (" --ship" if ship else "")
            say(f"Interrupted; finished steps are kept. Continue with: scribe-suite measure {left} {further}", console)
            return EXIT_INTERRUPTED
        except FrozenModelError as error:
            failed = True
            say(str(error), console)
    return EXIT_NOT_CERTIFIED if failed else 0


def _measure(measurement: Measurement, model: CachedModel, console: Console, *, ship: bool) -> None:
    from scribe_suite.cli.consoles import say
    from scribe_suite.measurements.runner import make
    from scribe_suite.progress import progress_bars, reporter

    with progress_bars(console) as progress:
        bar = progress.add_task(measurement.id, total=1.0, state="")
        made = make(measurement, model, reporter(progress, bar, console), ship=ship)
    say(f"{measurement.id}: {made.cpu_s / 60:.1f} CPU min, {made.size / 1e6:.2f} MB, {made.path}", console)


def _listed(known: dict[str, Measurement], spec: str, width: int) -> str:
    """A paragraph for each: its id, what is measured, the cost, and which results exist for a model."""
    from scribe_suite.measurements import store

    lines = []
    for measurement in known.values():
        found = store.find_measured(measurement, spec)
        made = found if isinstance(found, str) else f"measured in {_cpu_minutes(found.record.made):.1f} CPU min"
        told = (measurement.summary.rstrip("."), f"about {measurement.cost} on one thread", f"on {spec}: {made}")
        lines += [measurement.id, *(line for text in told for line in _indented(text, width)), ""]
    return "\n".join(lines)


def _indented(text: str, width: int) -> list[str]:
    return textwrap.wrap(
        text, width, initial_indent="  ", subsequent_indent="    ", break_long_words=False, break_on_hyphens=False
    )


def _cpu_minutes(made: dict[str, Any]) -> float:
    return float(sum(made["cpu_s"].values())) / 60
