"""Run seeds whose instances have been published, and must not be used for testing any more.

An exported instance is public forever: it stands in other people's repositories and in what models are trained on.
Every export notes its seed in two files of this name: in the user's data folder, for every run of the user on this
machine, and in the results folder, for everybody who shares that one.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from scribe_suite.errors import ConfigurationError
from scribe_suite.untrusted_files import UntrustedFolder, write_all

#: Name of both files: JSON lines, though not with the ending of ledgers.
NAME = "burnt-seeds.ndjson"
#: Names another folder for the user's file.
DATA_VARIABLE = "SCRIBE_SUITE_DATA"
#: Largest file that is read.
_MOST_BYTES = 10_000_000


class BurntSeed(BaseModel):
    """One line.

    Attributes:
        seed: The run seed.
        task: The task whose instances were published.
        instances: How many trials, from 0 on.
        at: When.
        why: What published them.
    """

    model_config = ConfigDict(frozen=True)

    seed: int
    task: str
    instances: int
    at: datetime
    why: str


def places(results_dir: Path) -> tuple[Path, ...]:
    """The files that count for runs with this results folder."""
    import platformdirs

    named = os.environ.get(DATA_VARIABLE)
    data = Path(named).expanduser() if named else platformdirs.user_data_path("scribe-suite")
    return tuple(dict.fromkeys((data.absolute() / NAME, results_dir.absolute() / NAME)))


def burn(seed: int, task: str, instances: int, why: str, results_dir: Path) -> tuple[Path, ...]:
    """Note that instances are public.

    Args:
        seed: The run seed.
        task: The task.
        instances: How many trials, from 0 on.
        why: What publishes them.
        results_dir: The results folder.

    Returns:
        The files.

    Raises:
        ConfigurationError: When one of them can't be written.
    """
    line = BurntSeed(seed=seed, task=task, instances=instances, at=datetime.now(UTC), why=why).model_dump_json()
    for path in places(results_dir):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            # a results folder may be shared, and what is in it under this name somebody else's link
            with UntrustedFolder(path.parent) as folder, folder.append(NAME) as file:
                write_all(file, f"{line}\n".encode())
        except OSError as error:
            raise ConfigurationError(
                f"The seed can't be marked as burnt in {path} ({error.strerror or error}), so nothing was exported."
            ) from error
    return places(results_dir)


def require_not_burnt(seed: int, results_dir: Path) -> None:
    """Refuse a seed whose instances are public.

    Raises:
        ConfigurationError: When it is in one of the files, or one of them is damaged.
    """
    for path in places(results_dir):
        for entry in _entries(path):
            if entry.seed == seed:
                raise ConfigurationError(
                    f"The seed {seed} is burnt: instances of {entry.task} with it were published on "
                    f"{entry.at:%Y-%m-%d} ({entry.why}), so agents may know them. Use another seed, or "
                    f"remove its line from {path} if the result is not meant to say anything about agents."
                )


def _entries(path: Path) -> Iterator[BurntSeed]:
    try:
        with UntrustedFolder(path.parent) as folder:
            lines: Iterable[str] = folder.read(NAME, _MOST_BYTES).decode().splitlines()
    except FileNotFoundError:
        return
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"The list of burnt seeds {path} can't be read ({error}).") from error
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            yield BurntSeed.model_validate_json(line)
        except ValidationError as error:
            raise ConfigurationError(f"Line {number} of {path} is not a burnt seed: mend or remove it.") from error
