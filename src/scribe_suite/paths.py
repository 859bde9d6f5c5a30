"""Where the suite's checkout and the user's cache lie.

A checkout is the folder with ``ground_truth/``, ``prompts/`` and ``benchmarks/``.
"""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

from scribe_suite.errors import ConfigurationError

ROOT_VARIABLE = "SCRIBE_SUITE_ROOT"
CACHE_VARIABLE = "SCRIBE_SUITE_CACHE"


def suite_root() -> Path:
    """The checkout to take tasks, prompts and frozen models from.

    Looked for in this order: the folder named by ``SCRIBE_SUITE_ROOT``, the current folder and its parents, the
    checkout this package is installed from (an editable install).

    Raises:
        ConfigurationError: When none of them holds ``ground_truth/`` and ``prompts/``.
    """
    named = os.environ.get(ROOT_VARIABLE)
    if named:
        if is_root(Path(named)):
            return Path(named).resolve()
        raise ConfigurationError(
            f"{ROOT_VARIABLE} names {named!r}, which has no ground_truth/ and prompts/ folders: point it at a checkout."
        )
    here = Path.cwd().resolve()
    for candidate in (here, *here.parents, Path(__file__).resolve().parents[2]):
        if is_root(candidate):
            return candidate
    raise ConfigurationError(
        f"No checkout of the suite found from {here}: change into one, or set {ROOT_VARIABLE} to its folder."
    )


def is_root(path: Path) -> bool:
    """Whether `path` is a checkout of the suite."""
    return (path / "ground_truth").is_dir() and (path / "prompts").is_dir()


def user_cache() -> Path:
    """Where what can be made again is kept: ``$SCRIBE_SUITE_CACHE``, else a folder of the user's cache."""
    named = os.environ.get(CACHE_VARIABLE)
    base = Path(named).expanduser() if named else platformdirs.user_cache_path("scribe-suite")
    return base.absolute()
