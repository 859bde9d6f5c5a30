"""How often the user has let a sweep run: each `sweep resume` is a new round, with all its resumptions again."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from scribe_suite.errors import ConfigurationError
from scribe_suite.sweeps.folder import write_whole


class Rounds(BaseModel):
    """The round that a sweep is in.

    Attributes:
        number: From 1 on.
        cancelled: Whether the user has cancelled it: jobs that have not begun end at once.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    number: int = 1
    cancelled: bool = False

    def next(self) -> Rounds:
        """The one that follows."""
        return Rounds(number=self.number + 1)


def read_rounds(path: Path) -> Rounds:
    """The round that a sweep is in.

    Raises:
        ConfigurationError: When the file can't be read.
    """
    try:
        return Rounds.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise ConfigurationError(f"{path} can't be read: it says how often the sweep was resumed.") from error


def write_rounds(path: Path, rounds: Rounds) -> None:
    """Write it.

    Raises:
        OSError: When it can't be written.
    """
    write_whole(path, rounds.model_dump_json() + "\n")
