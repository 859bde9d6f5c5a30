"""One job of a sweep, on any machine and engine: it makes the attempts that a shard still owes.

A job may be killed at any moment, started twice, or left running on an unreachable machine. So it first takes the
shard's lease, reads the ledger instead of trusting its starter, and stops when another job takes over the lease.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import platform
import secrets
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from scribe_suite.errors import ConfigurationError
from scribe_suite.ledger.ledger import is_being_written, read_ledger
from scribe_suite.paths import ROOT_VARIABLE
from scribe_suite.providers.leases import BEAT_S, EXPIRE_S, Lease, Leases
from scribe_suite.sweeps.folder import SweepFolder
from scribe_suite.sweeps.plan import Plan, read_plan
from scribe_suite.sweeps.rounds import read_rounds
from scribe_suite.sweeps.shard_state import look_at
from scribe_suite.watching.status_files import running_folder

#: Exit codes of a job, besides pytest's own.
BUSY, GIVEN_UP, CANCELLED = 75, 76, 77
#: Exit codes of pytest that do not indicate a fault of the machine: all solved, not all solved, interrupted.
_NOT_OF_THE_MACHINE = (0, 1, 2)
#: Seconds that pytest has to exit after a signal.
GRACE_S = 25.0
#: Seconds between two checks of pytest and the lease.
_LOOK_S = 0.2
_PR_SET_PDEATHSIG = 1
#: Signals that end a job; Slurm sends the second before a job's time limit, and before preemption.
_SIGNALS = (signal.SIGTERM, signal.SIGINT)


@dataclass(frozen=True)
class ShardJob:
    """One job, as a callable for another process.

    Attributes:
        sweep: Path of the sweep's folder on the job's machine.
        shard: Number of the shard.
        beat_s: See `Leases`.
        expire_s: See `Leases`.
        avoid: Nodes where the shard has failed already, for engines that can choose.
    """

    sweep: str
    shard: int
    beat_s: float = BEAT_S
    expire_s: float = EXPIRE_S
    avoid: tuple[str, ...] = ()

    def __call__(self) -> int:
        """Make the remaining attempts; returns pytest's exit code, or a code for why it was not started."""
        folder = SweepFolder(Path(self.sweep))
        plan = read_plan(folder)
        lease = self._lease(folder)
        if lease is None:
            return BUSY
        try:
            return self._work(folder, plan, lease)
        finally:
            lease.close()

    def _lease(self, folder: SweepFolder) -> Lease | None:
        """Take the shard's lease; None when another live job holds it."""
        leases = Leases(folder.leases, self.beat_s, self.expire_s)
        end = time.monotonic() + self.expire_s + 2 * self.beat_s
        while (lease := leases.take([lease_of(self.shard)])) is None:
            if time.monotonic() > end:
                return None
            time.sleep(min(1.0, self.beat_s / 2))
        return lease

    def _work(self, folder: SweepFolder, plan: Plan, lease: Lease) -> int:
        rounds = read_rounds(folder.rounds)
        if rounds.cancelled:
            return CANCELLED
        set_torn_ledger_aside(folder, self.shard)
        if look_at(folder, plan, self.shard).done:
            return 0
        if starts_of(folder, self.shard, rounds.number) > plan.spec.resumptions:
            return GIVEN_UP
        ledger = folder.ledger(self.shard)
        if ledger is not None and not self._free(ledger, lease):
            return BUSY
        command = plan.command(self.shard, folder, ledger)
        self._note(folder, {"event": "start", "round": rounds.number, "resumed": ledger is not None})
        code = _run(command, folder.log(self.shard), _environment(plan), lambda: lease.lost)
        if not lease.lost:
            self._note(folder, {"event": "end", "round": rounds.number, "exit_code": code})
        return code

    def _free(self, ledger: Path, lease: Lease) -> bool:
        """Wait until the ledger is unlocked, or its owner seems frozen; False when the owner is working."""
        end = time.monotonic() + self.expire_s
        first = _signs_of_life(ledger)
        while is_being_written(ledger):
            if lease.lost:
                return False
            if time.monotonic() > end:
                if _signs_of_life(ledger) != first:
                    return False
                take_from_the_frozen(ledger)
                return True
            time.sleep(min(1.0, self.beat_s))
        return True

    def _note(self, folder: SweepFolder, line: dict[str, Any]) -> None:
        job = os.environ.get("SLURM_JOB_ID") or os.environ.get("JOB_COMPLETION_INDEX") or str(os.getpid())
        machine = os.environ.get("SLURMD_NODENAME") or platform.node()
        facts = {**line, "shard": self.shard, "machine": machine, "job": job, "time": round(time.time(), 1)}
        path = folder.starts(self.shard)
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a") as file:
            file.write(json.dumps(facts) + "\n")
            file.flush()
            os.fsync(file.fileno())


def lease_of(shard: int) -> str:
    """Name of a shard's lease."""
    return f"shard{shard:04}"


def starts_of(folder: SweepFolder, shard: int, round_number: int) -> int:
    """The number of starts of a shard in a round."""
    return sum(line.get("event") == "start" and line.get("round") == round_number for line in notes_of(folder, shard))


def failed_on(folder: SweepFolder, shard: int, round_number: int) -> tuple[str, ...]:
    """The machines on which jobs of a shard failed in this round; interruptions are not failures."""
    return tuple(
        sorted(
            {
                str(line["machine"])
                for line in notes_of(folder, shard)
                if line.get("event") == "end"
                and line.get("round") == round_number
                and line.get("exit_code") not in _NOT_OF_THE_MACHINE
                and "machine" in line
            }
        )
    )


def notes_of(folder: SweepFolder, shard: int) -> list[dict[str, Any]]:
    """The starts and ends of a shard's jobs; a line that a full disk truncated is left out."""
    notes = []
    with contextlib.suppress(FileNotFoundError):
        for line in folder.starts(shard).read_text(errors="replace").splitlines():
            with contextlib.suppress(ValueError):
                note = json.loads(line)
                if isinstance(note, dict):
                    notes.append(note)
    return notes


def set_torn_ledger_aside(folder: SweepFolder, shard: int) -> None:
    """Rename a ledger that is truncated in its first line: no attempt had started, so the shard can start afresh."""
    path = folder.ledger(shard)
    if path is None:
        return
    with path.open("rb") as file:
        torn = not file.readline().endswith(b"\n")
    if torn:
        path.rename(path.with_name(f"{path.name}.torn{time.time():.0f}"))
        return
    read_ledger(path)  # any other damage raises here, and is not overwritten


def _signs_of_life(ledger: Path) -> frozenset[tuple[str, int]]:
    """The files by which a run shows that it is alive, with their times: a later change means that it is."""
    folder = running_folder(ledger.parent, ledger.stem)
    with contextlib.suppress(OSError):
        return frozenset((path.name, path.stat().st_mtime_ns) for path in folder.iterdir())
    return frozenset()


def take_from_the_frozen(ledger: Path) -> None:
    """Replace a ledger by a copy of itself, because an unresponsive process keeps it locked.

    If that process wakes up, it writes into the old file, which has no name any more: this does no harm, and its
    attempts are repeated.
    """
    content = ledger.read_bytes()
    temporary = ledger.with_name(f".{ledger.name}.{secrets.token_hex(6)}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(content[: content.rfind(b"\n") + 1])
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(ledger)
    finally:
        temporary.unlink(missing_ok=True)


def _environment(plan: Plan) -> dict[str, str]:
    """The job's environment without submitit's variables, with the plan's path to the suite if that exists here."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SUBMITIT_")}
    if ROOT_VARIABLE not in environment and Path(plan.root).is_dir():
        environment[ROOT_VARIABLE] = plan.root
    return environment


def _run(command: list[str], log: Path, environment: dict[str, str], lost: Callable[[], bool]) -> int:
    """Run pytest until it exits, a signal arrives, or another job takes over the shard."""
    asked: list[int] = []

    def ask(number: int, _frame: FrameType | None) -> None:
        asked.append(number)

    before = {number: signal.signal(number, ask) for number in _SIGNALS}
    libc = ctypes.CDLL(None)

    def with_the_job() -> None:
        # pytest gets a signal however the job ends, and does not ignore it, as it would under nohup
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGINT)
        signal.signal(signal.SIGINT, signal.default_int_handler)

    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output:
            process = subprocess.Popen(
                command,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=with_the_job,
            )
            try:
                while process.poll() is None:
                    if asked or lost():
                        return _stopped(process)
                    time.sleep(_LOOK_S)
                return process.returncode
            except BaseException:  # the engine's own signals raise, but the shard is not free before pytest has exited
                _stopped(process)
                raise
    except OSError as error:
        raise ConfigurationError(f"The job can't run {command[0]}, or write {log} ({error}).") from error
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _stopped(process: subprocess.Popen[bytes]) -> int:
    """Ask pytest to exit, and kill it if it does not; its records are already on disk."""
    process.send_signal(signal.SIGINT)
    try:
        return process.wait(GRACE_S)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        return process.wait()
