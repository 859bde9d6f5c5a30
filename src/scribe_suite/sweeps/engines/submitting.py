"""The two engines that use submitit: processes on this machine, and Slurm.

submitit starts a job on its machine. Its job states are not used, because under Slurm they are unknown without
accounting. Whether a job has finished is determined from the system's processes and from ``squeue``.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil

from scribe_suite.errors import ConfigurationError
from scribe_suite.sweeps.engines.base import Engine, Resources
from scribe_suite.sweeps.shard_job import GRACE_S, ShardJob

#: Timeout of a Slurm command in seconds; a controller that restarts does not answer.
_SLURM_S = 60
#: Seconds before a job's time limit, or before preemption, at which Slurm sends the signal.
_SIGNAL_S = int(GRACE_S) + 35
#: States in which a Slurm job has finished, or is about to.
_OVER = frozenset(
    {
        "BOOT_FAIL",
        "CANCELLED",
        "COMPLETED",
        "DEADLINE",
        "FAILED",
        "NODE_FAIL",
        "OUT_OF_MEMORY",
        "PREEMPTED",
        "REVOKED",
        "TIMEOUT",
    }
)
#: States of usable nodes in ``sinfo``; a trailing star means that they do not answer.
_USABLE = frozenset({"alloc", "comp", "idle", "mix"})
#: The pending reason of a job that a node failed to launch: it would stay pending for ever.
_LAUNCH_FAILED = "launch failed requeued held"
_ARRAY = re.compile(r"(?P<job>\d+)_\[(?P<tasks>[0-9,-]+)(?:%\d+)?\]")


def engine_of(name: str, folder: Path, resources: Resources) -> Engine:
    """The engine with this name.

    Args:
        name: ``local`` or ``slurm``.
        folder: The folder for logs and for the input of jobs; every machine of the engine must see it.
        resources: The resources of each job.

    Raises:
        ConfigurationError: When there is no such engine, or its dependencies are not installed.
    """
    if name not in _ENGINES:
        raise ConfigurationError(f"There is no engine {name!r}: choose from {', '.join(_ENGINES)}.")
    return _ENGINES[name](folder, resources)


class LocalEngine:
    """Jobs as processes on this machine; they outlive the process that started them."""

    name = "local"

    def __init__(self, folder: Path, resources: Resources) -> None:
        self._executor = _executor("local", folder, resources.python)
        self._executor.update_parameters(
            timeout_min=resources.minutes, setup=list(resources.prologue), signal_delay_s=_SIGNAL_S
        )
        self._processes: dict[str, Any] = {}

    def submit(self, jobs: Sequence[ShardJob]) -> Mapping[int, str]:
        """Start all jobs at once."""
        ids = {}
        for job in jobs:
            submitted = self._executor.submit(job)
            self._processes[submitted.job_id] = submitted  # otherwise its end would not be noticed
            ids[job.shard] = submitted.job_id
        return ids

    def unfinished(self, jobs: Collection[str]) -> Collection[str]:
        """The jobs whose process exists."""
        return {job for job in jobs if self._lives(job)}

    def cancel(self, jobs: Collection[str]) -> None:
        """Signal their process trees: with a prologue there is a shell in between, which does not forward signals."""
        for job in jobs:
            if self._lives(job):
                with contextlib.suppress(psutil.Error):
                    process = psutil.Process(int(job))
                    for one in [process, *process.children(recursive=True)]:
                        if _is_submitit(one):
                            one.send_signal(signal.SIGTERM)

    def _lives(self, job: str) -> bool:
        if job in self._processes and self._processes[job].done():
            return False
        try:
            process = psutil.Process(int(job))
            return process.status() != psutil.STATUS_ZOMBIE and _is_submitit(process)
        except psutil.Error:
            return False


class SlurmEngine:
    """Slurm jobs; those that are submitted together and avoid the same nodes form one array."""

    name = "slurm"

    def __init__(self, folder: Path, resources: Resources) -> None:
        try:
            self._executor = _executor("slurm", folder, resources.python)
        except RuntimeError as error:
            raise ConfigurationError("There is no srun: run this where jobs of Slurm are submitted.") from error
        self._partition = resources.partition
        wanted = {
            "partition": resources.partition,
            "gres": resources.gres,
            "cpus_per_task": resources.cpus,
            "account": resources.account,
            "qos": resources.qos,
            "mem": None if resources.memory_gb is None else f"{round(resources.memory_gb * 1024)}M",
            # otherwise a job whose prologue fails would continue with any Python that it finds
            "setup": [f"{command} || exit 1" for command in resources.prologue] or None,
        }
        self._executor.update_parameters(
            time=resources.minutes,
            job_name="scribe-sweep",
            signal_delay_s=_SIGNAL_S,
            array_parallelism=10_000,
            additional_parameters={"requeue": True},
            **{name: value for name, value in wanted.items() if value is not None},
        )

    def submit(self, jobs: Sequence[ShardJob]) -> Mapping[int, str]:
        """Submit jobs; they avoid nodes where their shards have failed, if there are others.

        Raises:
            ConfigurationError: When ``sbatch`` refuses.
        """
        ids: dict[int, str] = {}
        usable = self._usable_nodes() if any(job.avoid for job in jobs) else set()
        for avoided in sorted({job.avoid for job in jobs}):
            those = [job for job in jobs if job.avoid == avoided]
            ids |= self._submit(those, avoided if usable - set(avoided) else ())
        return ids

    def _usable_nodes(self) -> set[str]:
        """Nodes that can run jobs; empty if Slurm does not report any."""
        command = ["sinfo", "--noheader", "--Node", "--format=%N|%t"]
        if self._partition is not None:
            command.append(f"--partition={self._partition}")
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=_SLURM_S)
        except (OSError, subprocess.TimeoutExpired):
            return set()
        lines = (line.strip().partition("|") for line in done.stdout.splitlines())
        return {name for name, _, state in lines if state in _USABLE}

    def _submit(self, jobs: Sequence[ShardJob], avoided: Sequence[str]) -> Mapping[int, str]:
        """Submit one array."""
        from submitit.core.utils import FailedJobError, FailedSubmissionError

        self._executor.update_parameters(exclude=",".join(avoided) or None)
        try:
            with self._executor.batch():
                submitted = [self._executor.submit(job) for job in jobs]
        except (FailedJobError, FailedSubmissionError, OSError) as error:
            raise ConfigurationError(f"sbatch refuses the jobs: {' '.join(str(error).split())}") from error
        return {job.shard: one.job_id for job, one in zip(jobs, submitted, strict=True)}

    def unfinished(self, jobs: Collection[str]) -> Collection[str] | None:
        """The jobs that ``squeue`` lists as neither finished nor ending; None when the controller does not answer.

        Slurm holds a job that no node could launch until somebody releases it. Such a job counts as finished, and is
        cancelled, so that another one can take its place.
        """
        if not jobs:
            return set()
        arrays = sorted({job.partition("_")[0] for job in jobs}, key=int)
        # %i is 12_[3-5] for tasks that are pending together; squeue fails if only jobs that ended long ago are named
        command = ["squeue", "--noheader", "--states=all", "--format=%i|%T|%r", f"--user={os.getuid()}"]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=_SLURM_S)
        except (OSError, subprocess.TimeoutExpired):
            return None
        if done.returncode != 0:
            return None
        known: set[str] = set()
        held: set[str] = set()
        for line in done.stdout.splitlines():
            name, state, reason, *_ = [*line.strip().split("|", 2), "", ""]
            if name.partition("_")[0] not in arrays or state in _OVER:
                continue
            (held if reason == _LAUNCH_FAILED else known).update(job_ids(name))
        if held & set(jobs):
            with contextlib.suppress(ConfigurationError):  # it is tried again at the next poll
                self.cancel(held & set(jobs))
        return known & set(jobs)

    def cancel(self, jobs: Collection[str]) -> None:
        """Cancel jobs, including pending ones.

        Raises:
            ConfigurationError: When ``scancel`` fails.
        """
        if not jobs:
            return
        try:
            subprocess.run(["scancel", *sorted(jobs)], capture_output=True, text=True, timeout=_SLURM_S, check=True)
        except (OSError, subprocess.SubprocessError) as error:
            raise ConfigurationError(f"scancel failed ({error}): try again when the controller answers.") from error


def _is_submitit(process: psutil.Process) -> bool:
    """Whether a process belongs to a job: it may only have reused the number of a finished one."""
    return any("submitit" in word for word in process.cmdline())


def job_ids(name: str) -> list[str]:
    """The jobs behind one name of ``squeue``, such as ``12``, ``12_3`` or ``12_[3-5,8%2]``."""
    match = _ARRAY.fullmatch(name)
    if match is None:
        return [name]
    tasks: list[int] = []
    for part in match["tasks"].split(","):
        first, _, last = part.partition("-")
        tasks.extend(range(int(first), int(last or first) + 1))
    return [f"{match['job']}_{task}" for task in tasks]


def _executor(cluster: str, folder: Path, python: str | None) -> Any:
    """Submitit's executor.

    Raises:
        ConfigurationError: When submitit is not installed.
        RuntimeError: When Slurm is not installed.
    """
    try:
        from submitit import LocalExecutor, SlurmExecutor
    except ImportError as error:
        raise ConfigurationError(
            "The engines local and slurm need submitit: pip install 'scribe-suite[sweep]'."
        ) from error
    kinds = {"local": LocalExecutor, "slurm": SlurmExecutor}
    return kinds[cluster](folder=str(folder), python=python)


_ENGINES: dict[str, Callable[[Path, Resources], Engine]] = {
    LocalEngine.name: LocalEngine,
    SlurmEngine.name: SlurmEngine,
}
