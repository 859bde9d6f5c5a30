"""Parts of this machine that agents' kernels and programs must not see: suites, this package, results."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from scribe_suite.paths import installation, is_installed, lookup_roots, private_folders, suite_root
from scribe_suite.sandbox.programs import HiddenPaths

#: The package's folder with the script that connects programs to the notebook.
_PUMP = "notebook"
#: Folders of a suite that are hidden completely; the history of a checkout contains its ground truth too.
_SEALED = ("ground_truth", ".git")


def hidden_from_kernels(results: Iterable[Path]) -> tuple[Path, ...]:
    """Folders that are hidden from kernels and laboratories.

    Args:
        results: The folders of ledgers and attempts.
    """
    return (*private_folders(), *(folder.resolve() for folder in results))


def hidden_from_programs(results: Iterable[Path], models: Iterable[Path]) -> HiddenPaths:
    """What is hidden from agents' programs.

    An installed package is in a Python environment that programs may need. So the environment is visible, but the
    package in it is empty except for the script that connects programs.

    Args:
        results: The folders of ledgers, attempts and shared files of runs.
        models: Places of weights that these agents must not have.
    """
    package: tuple[Path, ...] = ()
    private, suites = private_folders(), lookup_roots(suite_root())
    if is_installed():
        package = tuple(path for path in sorted(installation().iterdir()) if path.name != _PUMP)
        private, suites = _outside(private, installation()), _outside(suites, installation())
    return HiddenPaths(
        whole=private,
        sealed=(*(suite / name for suite in suites for name in _SEALED), *results),
        emptied=(*package, *models),
    )


def _outside(folders: Iterable[Path], place: Path) -> tuple[Path, ...]:
    return tuple(folder for folder in folders if not folder.is_relative_to(place))
