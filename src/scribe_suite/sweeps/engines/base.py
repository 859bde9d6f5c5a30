"""What a sweep asks of an engine: to start jobs, to say which are not over yet, to cancel. No job's end is believed."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from scribe_suite.sweeps.shard_job import ShardJob


@dataclass(frozen=True)
class Resources:
    """What one job is given; what is None is left to the engine.

    Attributes:
        minutes: After which the job may be ended.
        partition: Slurm's.
        gres: Slurm's, such as ``gpu:1``.
        cpus: Cores.
        memory_gb: GiB.
        account: Slurm's.
        qos: Slurm's.
        prologue: Shell commands before the job, such as that of `scribe-suite pack`.
        python: Python on the job's machine; the one that plans where None.
    """

    minutes: int
    partition: str | None = None
    gres: str | None = None
    cpus: int | None = None
    memory_gb: float | None = None
    account: str | None = None
    qos: str | None = None
    prologue: tuple[str, ...] = ()
    python: str | None = None


class Engine(Protocol):
    """Starts jobs on machines."""

    name: str

    def submit(self, jobs: Sequence[ShardJob]) -> Mapping[int, str]:
        """Start jobs; returns the id of each shard's.

        Raises:
            ConfigurationError: When the engine refuses.
        """

    def unfinished(self, jobs: Collection[str]) -> Collection[str] | None:
        """Those of some jobs that wait or run; None when that can't be found out now."""

    def cancel(self, jobs: Collection[str]) -> None:
        """Ask jobs to end."""
