"""The locations of suites of tasks and of the user's cache; no other module knows them.

A suite is a folder with ``ground_truth/`` and ``prompts/``, and mostly ``benchmarks/``. One comes with this package:
the checkout if the package is in one, else the folder ``suite/`` inside an installed package. Another team's repository
with these folders is a suite too, and uses the one that comes with the package for anything it lacks: the preamble of
prompts, base classes, base models.
"""

from __future__ import annotations

import os
from pathlib import Path

from scribe_suite.errors import ConfigurationError

ROOT_VARIABLE = "SCRIBE_SUITE_ROOT"
CACHE_VARIABLE = "SCRIBE_SUITE_CACHE"
#: Folder of an installed package with the top-level folders of a checkout; ``hatch_build.py`` fills it.
SHIPPED = "suite"

_PACKAGE = Path(__file__).resolve().parent


def suite_root() -> Path:
    """The suite that provides tasks, prompts and frozen models.

    The search order is: the folder named by ``SCRIBE_SUITE_ROOT``, the current folder and its parents, the suite
    that comes with this package.

    Raises:
        ConfigurationError: When the variable names no suite.
    """
    named = os.environ.get(ROOT_VARIABLE)
    if named:
        if is_root(Path(named)):
            return Path(named).resolve()
        raise ConfigurationError(
            f"{ROOT_VARIABLE} names {named!r}, which has no ground_truth/ and prompts/ folders: point it at a checkout "
            "or at a suite of your own, or unset it."
        )
    return enclosing_root(Path.cwd()) or shipped_root()


def enclosing_root(folder: Path) -> Path | None:
    """The innermost suite that `folder` is or is inside of; None if there is none."""
    here = folder.resolve()
    return next(filter(is_root, (here, *here.parents)), None)


def is_root(path: Path) -> bool:
    """Whether `path` is a suite."""
    return (path / "ground_truth").is_dir() and (path / "prompts").is_dir()


def is_installed() -> bool:
    """Whether this package is installed with its suite inside, rather than taken from a checkout."""
    return (_PACKAGE / SHIPPED).is_dir()


def shipped_root() -> Path:
    """The suite that comes with this package.

    Raises:
        ConfigurationError: When there is none, for example if only ``src/`` was copied.
    """
    root = _PACKAGE / SHIPPED if is_installed() else _PACKAGE.parents[1]
    if not is_root(root):
        raise ConfigurationError(
            f"This installation of scribe-suite has no tasks: install it from a wheel or a checkout, or set "
            f"{ROOT_VARIABLE} to a suite."
        )
    return root


def installation() -> Path:
    """The folder that contains this package and its suite: the package itself, or the checkout."""
    return _PACKAGE if is_installed() else _PACKAGE.parents[1]


def lookup_roots(root: Path) -> tuple[Path, ...]:
    """The folders in which parts of a suite are searched: the suite, then the one that comes with this package.

    Args:
        root: The suite.
    """
    try:
        return tuple(dict.fromkeys((root, shipped_root())))
    except ConfigurationError:
        return (root,)


def find_part(root: Path, *parts: str) -> Path:
    """A file or folder of a suite.

    Args:
        root: The suite.
        parts: The parts of the path within it.

    Returns:
        Its path, or the path it would have in `root`.
    """
    places = [one.joinpath(*parts) for one in lookup_roots(root)]
    return next((place for place in places if place.exists()), places[0])


def within_suite(root: Path, path: Path) -> Path:
    """The path of a part relative to its suite.

    That is the innermost suite: the package's may be in an environment inside the user's own.

    Args:
        root: The suite in use.
        path: The path of a part, as `find_part` returns it.

    Raises:
        ValueError: When it is a part of neither.
    """
    of = [one for one in lookup_roots(root) if path.is_relative_to(one)]
    return path.relative_to(max(of, key=lambda one: len(one.parts), default=root))


def private_folders() -> tuple[Path, ...]:
    """Folders that no kernel may see: the suite in use, this package and the suite that comes with it.

    A package in an environment inside the suite in use is listed as well, because environments stay visible.
    """
    root, package = suite_root(), installation()
    return (package,) if root.is_relative_to(package) else (root, package)


def user_cache() -> Path:
    """The folder for reproducible data: ``$SCRIBE_SUITE_CACHE``, else a folder in the user's cache."""
    import platformdirs  # the sandbox's own processes read this module, under Pythons that have nothing installed

    named = os.environ.get(CACHE_VARIABLE)
    base = Path(named).expanduser() if named else platformdirs.user_cache_path("scribe-suite")
    return base.absolute()
