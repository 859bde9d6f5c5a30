"""The status of a sweep: its shards, running attempts on all machines, and cost."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from scribe_suite.providers.sweep_budget import Budget, read_budget
from scribe_suite.sweeps.coordinator import progress_line, submitted_jobs
from scribe_suite.sweeps.folder import SweepFolder
from scribe_suite.sweeps.plan import Plan
from scribe_suite.sweeps.rounds import read_rounds
from scribe_suite.sweeps.shard_job import notes_of
from scribe_suite.sweeps.shard_state import Ledgers, ShardState
from scribe_suite.sweeps.totals import totals
from scribe_suite.watching.status_files import GONE_S, RunningAttempt, read_running, running_folder
from scribe_suite.watching.view import LiveRun, Progress

#: Most shards that are listed; further ones are counted by state.
MOST_ROWS = 40


@dataclass(frozen=True)
class SweepView:
    """A sweep at one moment.

    Attributes:
        states: The states of its shards.
        running: The running attempts.
        rows: A line for each incomplete shard.
        costs: The cost, in words.
        now: The moment, in Unix seconds.
        outcomes: The current outcomes of attempts.
    """

    states: Sequence[ShardState]
    running: Sequence[RunningAttempt]
    rows: Sequence[str]
    costs: Sequence[str]
    now: float
    outcomes: Sequence[str]

    @property
    def done(self) -> bool:
        """Whether all attempts count."""
        return all(state.done for state in self.states)

    def live(self) -> LiveRun:
        """The running attempts, in the form of a single run's view."""
        progress = Progress.of(sum(state.owed for state in self.states), self.outcomes)
        return LiveRun(progress, self.running, self.now)

    def lines(self) -> list[str]:
        """The whole view as lines."""
        return [progress_line(self.states, len(self.running)).replace("jobs wait or run", "attempts run"),
                *self.costs, *self.rows]  # fmt: skip


class SweepWatch:
    """A sweep that is being watched.

    Args:
        folder: The sweep's folder.
        plan: The sweep's plan.
    """

    def __init__(self, folder: SweepFolder, plan: Plan) -> None:
        self._folder = folder
        self._plan = plan
        self._ledgers = Ledgers(folder, plan)

    def view(self) -> SweepView:
        """The current state of the sweep.

        Raises:
            ConfigurationError: When a ledger is damaged or belongs to another run.
            OSError: When the budget can't be read.
        """
        now = time.time()
        states = self._ledgers.states()
        running = [
            attempt for state in states if state.begun and not state.done for attempt in self._running(state, now)
        ]
        budget: Budget = read_budget(self._folder.path)
        return SweepView(
            states=states,
            running=running,
            rows=self._rows(states),
            costs=totals(self._plan, self._ledgers.costs()).lines(budget),
            now=now,
            outcomes=self._ledgers.outcomes(),
        )

    def silent_s(self) -> float:
        """Seconds since the last sign of life of any process of the sweep; machines' clocks may differ a little."""
        newest = 0.0
        for folder in (self._folder.leases, self._folder.jobs):
            if folder.is_dir():
                newest = max([newest, *(path.stat().st_mtime for path in folder.iterdir() if path.is_file())])
        return time.time() - newest

    @property
    def gone(self) -> bool:
        """Whether no process works on the sweep any more."""
        return self.silent_s() > GONE_S

    def _running(self, state: ShardState, now: float) -> list[RunningAttempt]:
        path = self._folder.ledger(state.shard)
        return [] if path is None else read_running(running_folder(path.parent, path.stem), now)

    def _rows(self, states: Sequence[ShardState]) -> list[str]:
        number = read_rounds(self._folder.rounds).number
        open_shards = [state for state in states if not state.done]
        jobs = {engine: submitted_jobs(self._folder, engine) for engine in ("local", "slurm")}
        rows = [self._row(state, number, jobs) for state in open_shards[:MOST_ROWS]]
        more = len(open_shards) - len(rows)
        return [*rows, f"and {more} more shards that are not done"] if more > 0 else rows

    def _row(self, state: ShardState, round_number: int, jobs: Mapping[str, Mapping[int, str]]) -> str:
        notes = [note for note in notes_of(self._folder, state.shard) if note.get("round") == round_number]
        job = next(
            (f"{engine} job {named[state.shard]}" for engine, named in jobs.items() if state.shard in named),
            "no job yet",
        )
        parts = [f"{state.counted} of {state.owed} attempts count"]
        parts += [f"{count} {outcome}" for outcome, count in state.failed.items()]
        parts.append(job)
        starts = sum(note.get("event") == "start" for note in notes)
        if starts:
            parts.append(
                f"started {starts} {'time' if starts == 1 else 'times'} in this round, on {notes[-1].get('machine')}"
            )
        if notes and notes[-1].get("event") == "end":
            parts.append(f"exit code {notes[-1].get('exit_code')}")
        reason = self._ledgers.reason(state.shard) if state.failed else ""
        return f"shard {state.shard}: {', '.join(parts)}{f' ({reason[:200]})' if reason else ''}"
