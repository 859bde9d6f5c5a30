"""Parts of this machine that agents' kernels and programs must not see: suites, this package, results."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from scribe_suite.paths import installation, is_installed, lookup_roots, private_folders, suite_root
from scribe_suite.sandbox.programs import HiddenPaths

#: Folder of the package with the script that connects programs to the notebook.
_PUMP = "notebook"
#: Folders of a suite nothing of which is shown; the history of a checkout has its ground truth too.
_SEALED = ("ground_truth", ".git")


def hidden_from_kernels(results: Iterable[Path]) -> tuple[Path, ...]:
    """Folders that are covered in kernels, laboratories included.

    Args:
        results: Where ledgers and attempts are written.
    """
    return (*private_folders(), *(folder.resolve() for folder in results))


def hidden_from_programs(results: Iterable[Path], models: Iterable[Path]) -> HiddenPaths:
    """What agents' programs don't see.

    An installed package lies in a Python environment that programs may need, so that the environment is shown and the
    package in it is empty, but for the script that programs are connected by.

    Args:
        results: Where ledgers, attempts and what runs share is written.
        models: Where weights lie that these agents must not have.
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
