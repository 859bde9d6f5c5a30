"""The folder with all files of a sweep, on a file system that all its machines share."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from pathlib import Path

from scribe_suite.errors import ConfigurationError
from scribe_suite.plugin.option.shards import shard_run

PLAN = "plan.json"


@dataclass(frozen=True)
class SweepFolder:
    """The folder of one sweep.

    The plan contains the seed: keep the folder away from agents, like every ledger.

    Attributes:
        path: Absolute path.
    """

    path: Path

    @classmethod
    def find(cls, named: Path) -> SweepFolder:
        """Find the folder that a PLAN on the command line names: a plan, or the folder that contains it.

        Raises:
            ConfigurationError: When there is no plan.
        """
        folder = named.parent if named.name == PLAN else named
        if not (folder / PLAN).is_file():
            raise ConfigurationError(
                f"There is no sweep {named}: name the folder that `scribe-suite sweep plan` has made, or its {PLAN}."
            )
        return cls(folder.resolve())

    @property
    def plan(self) -> Path:
        """The plan's file."""
        return self.path / PLAN

    @property
    def jobs(self) -> Path:
        """The engine's folder: logs, and the submissions of jobs."""
        return self.path / "jobs"

    @property
    def submissions(self) -> Path:
        """The file of submissions: the job for each shard, one JSON line each."""
        return self.jobs / "submitted.jsonl"

    @property
    def leases(self) -> Path:
        """The folder of leases: the owner of each shard, and the sweep's coordinator."""
        return self.path / "shared" / "leases"

    @property
    def rounds(self) -> Path:
        """The file of the current round; see `rounds`."""
        return self.path / "rounds.json"

    def results(self, shard: int) -> Path:
        """The results folder of a shard."""
        return self.path / "shards" / f"{shard:04}"

    def starts(self, shard: int) -> Path:
        """The file with the starts and ends of a shard's jobs, one JSON line each."""
        return self.jobs / f"{shard:04}.starts.jsonl"

    def log(self, shard: int) -> Path:
        """The log of pytest's output in the jobs of a shard."""
        return self.jobs / f"{shard:04}.log"

    def ledger(self, shard: int) -> Path | None:
        """The ledger of a shard, or None if it has none yet."""
        path = self.results(shard) / f"{shard_run(shard)}.jsonl"
        return path if path.is_file() else None

    def merged(self, name: str) -> Path:
        """The ledger of the whole sweep."""
        return self.path / f"{name}.jsonl"


def write_whole(path: Path, text: str) -> None:
    """Write a file atomically: readers see all of it or nothing.

    Raises:
        OSError: When the file can't be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}.tmp")
    try:
        temporary.write_text(text)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
