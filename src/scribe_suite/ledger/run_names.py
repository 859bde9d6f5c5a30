"""Finds the file that a RUN on the command line names: a run's id, or the path of a ledger or report."""

from __future__ import annotations

import difflib
from pathlib import Path

from scribe_suite.errors import ConfigurationError

_ENDING = ".jsonl"
#: How many ids a message lists.
_MOST_NAMED = 3
#: From which similarity, 0 to 1, an id is suggested in place of another. Two ids of one day reach 0.7 by chance.
_ALIKE = 0.8


def find_run(name: str, results_dir: Path) -> Path:
    """Find the file of a run.

    Args:
        name: The run's id, or the path of a ledger or report; a path comes first.
        results_dir: Where the ledgers of run ids are.

    Raises:
        ConfigurationError: When there is none; the message lists ids similar to `name`, or else the newest ones.
    """
    candidates = (Path(name), results_dir / name, results_dir / f"{name}{_ENDING}") if name else ()
    for path in candidates:
        if path.is_file():
            return path
    raise ConfigurationError(_no_run(name, results_dir))


def newest_run(results_dir: Path) -> Path:
    """The ledger that was written to last.

    Raises:
        ConfigurationError: When there is none.
    """
    ledgers = _ledgers(results_dir)
    if not ledgers:
        raise ConfigurationError(f"There is no run in {results_dir} yet: start one, or name another --results-dir.")
    return ledgers[0]


def _ledgers(results_dir: Path) -> list[Path]:
    """All ledgers of a folder, the newest first."""
    found = [path for path in results_dir.glob(f"*{_ENDING}") if path.is_file()]
    return sorted(found, key=lambda path: (path.stat().st_mtime, path.name), reverse=True)


def _no_run(name: str, results_dir: Path) -> str:
    ids = [path.stem for path in _ledgers(results_dir)]
    if not ids:
        return (
            f"There is no run {name!r}, and no run at all in {results_dir}: give the path of a ledger or report, or "
            "name another --results-dir."
        )
    wanted = Path(name).stem
    begun = [one for one in ids if wanted and one.startswith(wanted)]
    alike = begun or difflib.get_close_matches(wanted, ids, _MOST_NAMED, _ALIKE)
    which, named = ("similar", alike) if alike else ("the newest", ids)
    listed = ", ".join(named[:_MOST_NAMED])
    return (
        f"There is no run {name!r} in {results_dir} ({which} there: {listed}): give the id of a run, or the path of a "
        "ledger or report."
    )
