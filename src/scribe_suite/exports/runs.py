"""Writes a run in one of the formats into a folder that is new or empty."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

from scribe_suite.errors import ConfigurationError
from scribe_suite.exports.atif import write_trajectories
from scribe_suite.exports.docent import write_agent_runs
from scribe_suite.exports.facts import is_sealed
from scribe_suite.exports.inspect_log import write_logs
from scribe_suite.exports.stories import Story, read_story
from scribe_suite.ledger.ledger import read_ledger
from scribe_suite.ledger.records import RunHeader
from scribe_suite.report.attempt_folders import attempt_folder
from scribe_suite.report.keys import keys_may_be_shown


@dataclass(frozen=True)
class Format:
    """One format.

    Attributes:
        write: Writes the attempts of a run, and returns the files.
        what: What it writes, for help texts.
    """

    write: Callable[..., list[Path]]
    what: str


FORMATS: Mapping[str, Format] = {
    "eval": Format(write_logs, "logs of Inspect, one for each family and provider"),
    "atif": Format(write_trajectories, "trajectories in Harbor's ATIF 1.8, one for each attempt, and their images"),
    "docent": Format(write_agent_runs, "JSON lines of Docent's AgentRun, without images"),
}


def export_run(ledger_path: Path, form: str, output: Path, *, with_keys: bool) -> list[Path]:
    """Export a run.

    Args:
        ledger_path: The ledger; the attempts' folders are next to it, or where it says.
        form: A key of `FORMATS`.
        output: The folder to write to.
        with_keys: Whether to write seeds, and what providers did that submit the key, although they are secret.

    Returns:
        The files.

    Raises:
        ConfigurationError: When the ledger can't be read, the folder is not empty or can't be written, or the library
            is missing that writes the format.
    """
    ledger = read_ledger(ledger_path)
    revealed = keys_may_be_shown(ledger.header, with_keys)
    stories: list[Story] = []
    for record in ledger.attempts:
        with attempt_folder(ledger_path.resolve().parent, record) or nullcontext() as folder:
            stories.append(read_story(record, folder, sealed=is_sealed(record, revealed=revealed)))
    return _written(ledger.header, stories, form, output, revealed)


def _written(header: RunHeader, stories: Sequence[Story], form: str, output: Path, revealed: bool) -> list[Path]:
    new_folder(output)
    try:
        return FORMATS[form].write(header, stories, output, revealed=revealed)
    except OSError as error:
        raise ConfigurationError(f"{error.filename or output} can't be written ({error.strerror}).") from error


def new_folder(output: Path) -> None:
    """Make a folder to export to.

    Raises:
        ConfigurationError: When there is something in it, or it can't be made.
    """
    try:
        output.mkdir(parents=True, exist_ok=True)
        if any(output.iterdir()):
            raise ConfigurationError(f"{output} is not empty: name a new folder.")
    except OSError as error:
        raise ConfigurationError(f"{output} can't be written ({error.strerror}): name another folder.") from error
