"""The interface of an engine: start jobs, list unfinished ones, cancel them; a finished job proves nothing."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from scribe_suite.sweeps.shard_job import ShardJob


@dataclass(frozen=True)
class Resources:
    """The resources of one job; None leaves a value to the engine.

    Attributes:
        minutes: Minutes after which the job may be terminated.
        partition: Slurm's partition.
        gres: Slurm's generic resources, such as ``gpu:1``.
        cpus: Number of cores.
        memory_gb: Memory in GiB.
        account: Slurm's account.
        qos: Slurm's quality of service.
        prologue: Shell commands before the job, such as that of `scribe-suite pack`.
        python: Python on the job's machine; None for the one that plans.
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
        """Start jobs; returns shard -> job id.

        Raises:
            ConfigurationError: When the engine refuses.
        """

    def unfinished(self, jobs: Collection[str]) -> Collection[str] | None:
        """The jobs that are pending or running; None when that can't be determined now."""

    def cancel(self, jobs: Collection[str]) -> None:
        """Request that jobs terminate."""
