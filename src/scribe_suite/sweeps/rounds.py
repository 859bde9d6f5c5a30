"""The rounds of a sweep: each `sweep resume` starts a new one, in which shards may use all their resumptions again."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from scribe_suite.errors import ConfigurationError
from scribe_suite.sweeps.folder import write_whole


class Rounds(BaseModel):
    """The round that a sweep is in.

    Attributes:
        number: The round's number, counted from 1.
        cancelled: Whether the user has cancelled it: jobs that have not started yet exit at once.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    number: int = 1
    cancelled: bool = False

    def next(self) -> Rounds:
        """The next round."""
        return Rounds(number=self.number + 1)


def read_rounds(path: Path) -> Rounds:
    """Read the round that a sweep is in.

    Raises:
        ConfigurationError: When the file can't be read.
    """
    try:
        return Rounds.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise ConfigurationError(f"{path} can't be read: it says how often the sweep was resumed.") from error


def write_rounds(path: Path, rounds: Rounds) -> None:
    """Write the round to its file.

    Raises:
        OSError: When the file can't be written.
    """
    write_whole(path, rounds.model_dump_json() + "\n")
