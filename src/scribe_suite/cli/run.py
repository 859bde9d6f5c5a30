"""``scribe-suite run`` and ``scribe-suite bench``: benchmarks without a checkout; pytest does the work.

Families are looked up in the current suite, then in the one that comes with the package. Everything from the first
option on goes to pytest.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from scribe_suite.cli.parsers import Commands, add_command
from scribe_suite.errors import ConfigurationError
from scribe_suite.paths import ROOT_VARIABLE, installation, is_installed, lookup_roots, suite_root

_BENCHMARKS = "benchmarks"
_OPTIONS = (
    "All options of pytest and of the suite's plugin work, such as -n 4, --provider, --trials, --level, "
    "--instance-seed and --resume RUN; `pytest --help` lists them. Results are written into runs/."
)


def register(commands: Commands) -> None:
    """Add both commands."""
    one = add_command(
        commands,
        "run",
        lambda options: _start(one, options.words, every=False),
        summary="run the benchmark of one family or several",
        description=f"Run the benchmarks of families, in a checkout or without one. {_OPTIONS}",
        examples=(
            "scribe-suite run probes -n 2 --provider reference",
            "scribe-suite run circuits neurons --provider claude,codex --trials 3",
            "scribe-suite run --resume 20261122-174501-a1b2c3",
        ),
        takes_options=False,
    )
    one.add_argument("words", nargs="*", metavar="FAMILY ... [OPTIONS OF PYTEST]", help=argparse.SUPPRESS)
    all_of_them = add_command(
        commands,
        "bench",
        lambda options: _start(all_of_them, options.words, every=True),
        summary="run the whole benchmark",
        description=f"Run the benchmarks of all families, in a checkout or without one. {_OPTIONS}",
        examples=("scribe-suite bench -n 2", "scribe-suite bench -n 4 --provider codex --level 2,3"),
        takes_options=False,
    )
    all_of_them.add_argument("words", nargs="*", metavar="[OPTIONS OF PYTEST]", help=argparse.SUPPRESS)


def _start(parser: argparse.ArgumentParser, words: Sequence[str], *, every: bool) -> int:
    if {"-h", "--help"} & set(words):
        parser.print_help()
    else:
        _become_pytest(words, every=every)
    return 0


def _become_pytest(words: Sequence[str], *, every: bool) -> NoReturn:
    root, arguments = pytest_arguments(words, every=every)
    # -P: as with `pytest`, modules are not imported from the current folder
    command = [sys.executable, "-P", "-m", "pytest", *arguments]
    sys.stdout.flush()
    os.execve(sys.executable, command, {**os.environ, ROOT_VARIABLE: str(root)})


def pytest_arguments(words: Sequence[str], *, every: bool) -> tuple[Path, list[str]]:
    """The arguments for pytest.

    Args:
        words: Families, then options of pytest.
        every: Whether all families are meant, so that none is named.

    Returns:
        The suite whose benchmarks they are, and the arguments.

    Raises:
        ConfigurationError: When a family has no benchmark, none is named, or they are of different suites.
    """
    first = next((at for at, word in enumerate(words) if word.startswith("-")), len(words))
    families, options = list(words[:first]), list(words[first:])
    if every and families:
        raise ConfigurationError(f"bench runs all families: write `scribe-suite run {' '.join(families)}` for some.")
    resumes = any(option.partition("=")[0] == "--resume" for option in options)
    if not families and not every and not resumes:
        raise ConfigurationError(f"Which family? Choose from {', '.join(_known())}, or use `scribe-suite bench`.")
    root = _root_of(families)
    chosen = families if families or resumes else list(_families_in(root))
    settings = root / "pytest.ini"
    arguments = ["--rootdir", str(root)]
    if settings.is_file():
        arguments += ["-c", str(settings)]
    if is_installed() and root.is_relative_to(installation()):  # nothing is written there
        arguments += ["-o", f"cache_dir={Path.cwd() / '.pytest_cache'}"]
    return root, [*arguments, *(str(root / _BENCHMARKS / family) for family in chosen), *options]


def _families_in(root: Path) -> tuple[str, ...]:
    return tuple(sorted(path.parent.name for path in (root / _BENCHMARKS).glob("*/test_*.py")))


def _known() -> list[str]:
    return sorted({family for root in lookup_roots(suite_root()) for family in _families_in(root)})


def _root_of(families: Sequence[str]) -> Path:
    """The one suite with benchmarks of all these families; if none are named, the first one with any."""
    roots = lookup_roots(suite_root())
    for family in families:
        if family not in _known():
            raise ConfigurationError(f"Unknown family {family!r}: choose from {', '.join(_known())}.")
    for root in roots:
        theirs = _families_in(root)
        if theirs and set(families) <= set(theirs):
            return root
    raise ConfigurationError(f"{', '.join(families)} are families of different suites: run them one after the other.")
