"""The coordinator of a sweep: it starts jobs, reads ledgers, restarts incomplete shards, and merges at the end.

All its state is in the sweep's folder, so it may be killed and started again. Jobs continue without it.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scribe_suite.errors import ConfigurationError
from scribe_suite.exit_codes import EXIT_LOST_OR_INFRASTRUCTURE
from scribe_suite.ledger.merge import Merged, merge_ledgers
from scribe_suite.ledger.outcomes import rule_of
from scribe_suite.providers.leases import BEAT_S, EXPIRE_S, Lease, Leases
from scribe_suite.providers.sweep_budget import read_budget
from scribe_suite.sweeps.engines.base import Engine
from scribe_suite.sweeps.folder import SweepFolder
from scribe_suite.sweeps.plan import Plan
from scribe_suite.sweeps.rounds import read_rounds
from scribe_suite.sweeps.shard_job import ShardJob, failed_on, lease_of, notes_of, starts_of
from scribe_suite.sweeps.shard_state import Ledgers, ShardState, ledgers_of
from scribe_suite.sweeps.totals import totals

#: Exit codes of pytest after which a retry is useless: it did not start.
_REFUSED = (2, 4)
_LEADER = "leader"
#: Seconds after the start of a job within which an engine may not know it yet.
SETTLE_S = 15.0


@dataclass(frozen=True)
class Pace:
    """The timing of a coordinator.

    Attributes:
        at_once: Number of jobs at the same time; None leaves that to the engine.
        look_s: Seconds between two polls.
        beat_s: See `Leases`.
        expire_s: See `Leases`.
    """

    at_once: int | None = None
    look_s: float = 10.0
    beat_s: float = BEAT_S
    expire_s: float = EXPIRE_S


class Coordinator:
    """Leads one sweep until no work is left that can be done.

    Args:
        folder: The sweep's folder.
        plan: The sweep's plan.
        engine: The engine that runs jobs.
        pace: The timing.
        say: Shows the user a sentence.
    """

    def __init__(self, folder: SweepFolder, plan: Plan, engine: Engine, pace: Pace, say: Callable[[str], None]) -> None:
        self._folder = folder
        self._plan = plan
        self._engine = engine
        self._pace = pace
        self._say = say
        self._ledgers = Ledgers(folder, plan)
        self._leases = Leases(folder.leases, pace.beat_s, pace.expire_s)
        self._said = ""
        self._given_up: dict[int, str] = {}
        self._submitted_at: dict[str, float] = {}

    def lead(self) -> int:
        """Lead the sweep; returns its exit code.

        Raises:
            ConfigurationError: When another process leads it, the engine refuses, or a ledger is not of this sweep.
        """
        try:
            return self._lead()
        except OSError as error:
            self._say(
                f"{self._folder.path} can't be read or written ({error.strerror}): mend that, then run `scribe-suite "
                f"sweep resume {self._folder.path}`. Jobs that can go on do so."
            )
            return EXIT_LOST_OR_INFRASTRUCTURE

    def _lead(self) -> int:
        lease = self._lease()
        try:
            while not self._step():
                if lease.lost:
                    raise ConfigurationError(
                        "Another process leads the sweep now, because nothing was heard of this one; jobs go on."
                    )
                time.sleep(self._pace.look_s)
            return self._end()
        finally:
            lease.close()

    def _lease(self) -> Lease:
        leases = Leases(self._folder.leases, self._pace.beat_s, self._pace.expire_s)
        end = time.monotonic() + self._pace.expire_s + 2 * self._pace.beat_s
        told = False
        while (lease := leases.take([_LEADER])) is None:
            if not told:
                self._say(
                    f"somebody else leads this sweep ({leases.last_word(_LEADER) or 'just begun'}); "
                    f"it is taken over after {self._pace.expire_s:g} s without a sign of life."
                )
                told = True
            if time.monotonic() > end:
                raise ConfigurationError(
                    "The sweep is led already: watch it with `scribe-suite sweep watch`, or end the other command."
                )
            time.sleep(min(1.0, self._pace.beat_s))
        return lease

    def _step(self) -> bool:
        """Check all shards once and start the jobs that are due; True when there is nothing left to wait for."""
        rounds = read_rounds(self._folder.rounds)
        states = self._ledgers.states()
        open_shards = [state for state in states if not state.done]
        jobs = submitted_jobs(self._folder, self._engine.name)
        still_open = {state.shard for state in open_shards}
        unfinished = self._unfinished([job for shard, job in jobs.items() if shard in still_open])
        self._tell(states, unfinished)
        if unfinished is None:
            return False  # the engine does not answer: a job that is started now could be started twice
        running = {shard for shard, job in jobs.items() if job in unfinished} | self._worked_on(open_shards)
        waiting = []
        submissions = Counter(
            line["shard"] for line in _lines(self._folder.submissions) if line["round"] == rounds.number
        )
        for state in open_shards:
            if state.shard in running:
                continue
            reason = "cancelled" if rounds.cancelled else self._why_not(state, rounds.number, submissions[state.shard])
            if reason is None:
                waiting.append(state.shard)
            else:
                self._give_up(state.shard, reason)
        if waiting:
            room = len(waiting) if self._pace.at_once is None else max(0, self._pace.at_once - len(running))
            self._start(waiting[:room], rounds.number)
        return not waiting and not running

    def _unfinished(self, jobs: Collection[str]) -> Collection[str] | None:
        """The unfinished jobs, including those that have only just started: an engine may list them late."""
        known = self._engine.unfinished(jobs)
        if known is None:
            return None
        now = time.monotonic()
        young = {job for job in jobs if now - self._submitted_at.get(job, -SETTLE_S) < self._settle_s}
        return set(known) | young

    def _worked_on(self, states: Sequence[ShardState]) -> set[int]:
        """The shards with a live lease, whatever the engine says: a node that it has lost may still be running."""
        shards = {lease_of(state.shard): state.shard for state in states}
        return {shards[name] for name in self._leases.held(shards)}

    @property
    def _settle_s(self) -> float:
        return SETTLE_S if self._engine.name != "local" else 0.0

    def _why_not(self, state: ShardState, round_number: int, submissions: int) -> str | None:
        """The reason why an incomplete shard is not restarted in this round; None if it is restarted."""
        if not submissions and not state.begun:
            return None  # most shards of a large sweep: saves reading files
        starts = starts_of(self._folder, state.shard, round_number)
        if state.out_of_budget and starts:
            return "the budget does not let its other attempts begin"
        notes = [note for note in notes_of(self._folder, state.shard) if note.get("round") == round_number]
        code = notes[-1].get("exit_code") if notes and notes[-1].get("event") == "end" else None
        if code in _REFUSED and not (code == 2 and state.begun):  # an interrupted run exits with 2 as well
            return f"pytest refused to start (exit code {code}): see {self._folder.log(state.shard)}"
        if starts > self._plan.spec.resumptions:
            return f"it was started {starts} times and is not done"
        if submissions > self._plan.spec.resumptions + starts + 1:
            return f"{submissions} jobs were submitted for it and {starts} of them began: see {self._folder.jobs}"
        return None

    def _give_up(self, shard: int, reason: str) -> None:
        if shard not in self._given_up:
            self._given_up[shard] = reason
            self._say(f"shard {shard} is left as it is: {reason}.")

    def _start(self, shards: Sequence[int], round_number: int) -> None:
        if not shards:
            return
        pace = self._pace
        jobs = [
            ShardJob(
                str(self._folder.path),
                shard,
                pace.beat_s,
                pace.expire_s,
                avoid=failed_on(self._folder, shard, round_number),
            )
            for shard in shards
        ]
        self._folder.jobs.mkdir(exist_ok=True)
        ids = self._engine.submit(jobs)
        with self._folder.submissions.open("a") as file:
            for shard, job in ids.items():
                self._submitted_at[job] = time.monotonic()
                line = {"shard": shard, "job": job, "engine": self._engine.name, "round": round_number}
                file.write(json.dumps({**line, "time": round(time.time(), 1)}) + "\n")
        self._say(f"{len(ids)} {'job is' if len(ids) == 1 else 'jobs are'} started: shards {_ranges(ids)}.")

    def _tell(self, states: Sequence[ShardState], unfinished: Collection[str] | None) -> None:
        line = progress_line(states, None if unfinished is None else len(unfinished))
        if line != self._said:
            self._said = line
            budget = read_budget(self._folder.path)
            taken = totals(self._plan, self._ledgers.costs()).lines(budget)
            self._say(f"{line}; {'; '.join(taken)}")

    def _end(self) -> int:
        states = self._ledgers.states()
        lost = [state for state in states if not state.done]
        merged = merge_sweep(self._folder, self._plan)
        if merged is None:
            self._say("no shard has a ledger, so that there is nothing to merge.")
            return EXIT_LOST_OR_INFRASTRUCTURE
        self._say(f"merged: {merged.path}")
        if lost:
            owed, counted = sum(state.owed for state in states), sum(state.counted for state in states)
            self._say(
                f"{owed - counted} of {owed} attempts are missing or failed by infrastructure: `scribe-suite sweep "
                f"resume {self._folder.path}` makes them."
            )
            return EXIT_LOST_OR_INFRASTRUCTURE
        # from the attempts, not the last sessions' exit codes: a session that only wrote a last line has exited with 0
        return int(any(rule_of(outcome).test != "passed" for outcome in self._ledgers.outcomes()))


def submitted_jobs(folder: SweepFolder, engine: str) -> dict[int, str]:
    """Shard -> the job that was last submitted for it."""
    return {line["shard"]: line["job"] for line in _lines(folder.submissions) if line["engine"] == engine}


def progress_line(states: Sequence[ShardState], jobs: int | None) -> str:
    """The progress of a sweep, as one line.

    Args:
        states: The states of its shards.
        jobs: Number of pending or running jobs; None when the engine does not answer.
    """
    owed, counted = sum(state.owed for state in states), sum(state.counted for state in states)
    failed = sum(sum(state.failed.values()) for state in states)
    done = sum(state.done for state in states)
    text = f"{counted} of {owed} attempts count"
    if failed:
        text += f", {failed} failed by infrastructure"
    text += f"; {done} of {len(states)} shards are done"
    return f"{text}; the engine does not answer" if jobs is None else f"{text}, {jobs} jobs wait or run"


def merge_sweep(folder: SweepFolder, plan: Plan) -> Merged | None:
    """Merge the shards' ledgers into one, which replaces an earlier one; None if there are none.

    Raises:
        ConfigurationError: When ledgers do not belong to one run.
    """
    paths = ledgers_of(folder, plan)
    if not paths:
        return None
    output = folder.merged(plan.spec.name)
    with contextlib.suppress(FileNotFoundError):
        output.unlink()
    return merge_ledgers(paths, output, planned=plan.attempts)


def _lines(path: Path) -> list[Mapping[str, Any]]:
    """The JSON lines of a file; a line that a kill truncated is left out."""
    lines = []
    with contextlib.suppress(FileNotFoundError):
        for text in path.read_text(errors="replace").splitlines():
            with contextlib.suppress(ValueError):
                lines.append(json.loads(text))
    return lines


def _ranges(numbers: Collection[int]) -> str:
    """Numbers as ``1-3, 7``."""
    parts: list[list[int]] = []
    for number in sorted(numbers):
        if parts and number == parts[-1][-1] + 1:
            parts[-1][-1:] = [parts[-1][-1], number] if len(parts[-1]) == 1 else [number]
        else:
            parts.append([number])
    return ", ".join("-".join(map(str, part)) for part in parts)
