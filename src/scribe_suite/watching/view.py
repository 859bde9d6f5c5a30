"""The view of a running run: a table in a terminal, a line in a log; in pytest and in `scribe-suite watch`."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console, Group
from rich.table import Column, Table
from rich.text import Text

from scribe_suite.ledger.outcomes import Outcome, rule_of
from scribe_suite.text import shortened
from scribe_suite.watching.status_files import WORKING, RunningAttempt, read_running

#: Most rows of a table, whatever the terminal's height; for more workers there are the counts.
MAX_ROWS = 16
#: Longest provider name that is shown, in characters; a command line can have any length.
MAX_PROVIDER = 32


@dataclass(frozen=True)
class Progress:
    """How far a run is.

    Attributes:
        planned: Planned attempts.
        done: Those that have a record.
        solved: Those that were solved.
        infrastructure: Those with an infrastructure failure.
    """

    planned: int
    done: int
    solved: int
    infrastructure: int

    @classmethod
    def of(cls, planned: int, outcomes: Iterable[str]) -> Progress:
        """Count outcomes."""
        counts = Counter(outcomes)
        failed = sum(number for outcome, number in counts.items() if not rule_of(outcome).counts)
        return cls(planned, counts.total(), counts[Outcome.SOLVED], failed)

    def __str__(self) -> str:
        """For example ``5 of 40 done, 3 solved, 1 failed by infrastructure``."""
        text = f"{self.done} of {self.planned} done, {self.solved} solved"
        return f"{text}, {self.infrastructure} failed by infrastructure" if self.infrastructure else text


@dataclass(frozen=True)
class LiveRun:
    """A run at one moment.

    Attributes:
        progress: How far it is.
        running: The running attempts.
        now: The moment, in Unix seconds.
    """

    progress: Progress
    running: Sequence[RunningAttempt]
    now: float

    @classmethod
    def of(cls, folder: Path, progress: Progress, now: float) -> LiveRun:
        """Read the running attempts.

        Args:
            folder: See `running_folder`.
            progress: How far the run is.
            now: Unix seconds.
        """
        return cls(progress, read_running(folder, now), now)

    def heading(self) -> str:
        """How many attempts are running and done."""
        return f"{len(self.running)} running, {self.progress}"

    def line(self) -> str:
        """The whole view in one line, for a log."""
        parts = "; ".join(self.lines())
        return f"{self.heading()}{': ' if parts else ''}{parts}"

    def lines(self) -> list[str]:
        """A line for each running attempt."""
        return [_line(attempt, self.now) for attempt in self.running]

    def table(self, max_rows: int = MAX_ROWS) -> Group:
        """The whole view as a table.

        Args:
            max_rows: How many attempts are shown; further ones are counted.
        """
        shown = self.running[: max(1, max_rows)]
        heading = Text(self.heading(), style="bold", no_wrap=True, overflow="ellipsis")
        if not shown:
            return Group(heading)
        table = Table(
            Column("Task", no_wrap=True, overflow="ellipsis"),
            Column("Trial", no_wrap=True),
            Column("Provider", no_wrap=True, overflow="ellipsis"),
            Column("Turn", no_wrap=True, justify="right"),
            Column("Calls", no_wrap=True, justify="right"),
            Column("Last tool", no_wrap=True, overflow="ellipsis"),
            Column("Elapsed", no_wrap=True, justify="right"),
            Column("Limit", no_wrap=True, justify="right"),
            box=None,
            pad_edge=False,
            header_style="dim",
        )
        for attempt in shown:
            table.add_row(
                # as Text, so that nothing is read as markup, whatever a provider or a model calls itself or its tools
                *map(
                    Text,
                    (
                        attempt.task,
                        f"t{attempt.trial}",
                        shortened(attempt.provider, MAX_PROVIDER),
                        "-" if attempt.turn is None else str(attempt.turn),
                        str(attempt.calls),
                    ),
                ),
                Text(_doing(attempt), style="" if attempt.in_tool else "dim"),
                Text(clock(attempt.elapsed_s(self.now)), style="yellow" if _late(attempt, self.now) else ""),
                Text("-" if attempt.limit_s is None else clock(attempt.limit_s)),
            )
        more = len(self.running) - len(shown)
        return Group(heading, table, Text(f"and {more} more", style="dim")) if more else Group(heading, table)


def clock(seconds: float) -> str:
    """Seconds as ``03:10``, or ``1:03:10`` from an hour on."""
    whole = int(seconds)
    hours, minutes = divmod(whole // 60, 60)
    return f"{hours}:{minutes:02}:{whole % 60:02}" if hours else f"{minutes:02}:{whole % 60:02}"


def rendered(view: LiveRun, width: int, max_rows: int, color: bool) -> list[str]:
    """The table's lines, with escape sequences for styles only.

    Args:
        view: What to show.
        width: Columns; no line is longer.
        max_rows: See `LiveRun.table`.
        color: Whether escape sequences are allowed.
    """
    stream = io.StringIO()
    system = "standard" if color else None
    console = Console(file=stream, width=width, force_terminal=color, color_system=system, legacy_windows=False)  # type: ignore[arg-type]
    console.print(view.table(max_rows))
    return [line.rstrip() for line in stream.getvalue().splitlines()]


def _doing(attempt: RunningAttempt) -> str:
    """The phase, or during the agent's time the tool that is being called or was called last."""
    if attempt.phase != WORKING:
        return f"({attempt.phase})"
    if attempt.tool is None:
        return "a tool" if attempt.in_tool else "none yet"
    return attempt.tool if attempt.in_tool else f"after {attempt.tool}"


def _late(attempt: RunningAttempt, now: float) -> bool:
    """Whether the attempt has little time left."""
    return attempt.limit_s is not None and attempt.elapsed_s(now) > 0.8 * attempt.limit_s


def _line(attempt: RunningAttempt, now: float) -> str:
    times = clock(attempt.elapsed_s(now)) + ("" if attempt.limit_s is None else f"/{clock(attempt.limit_s)}")
    count = f"{attempt.calls} calls" if attempt.turn is None else f"turn {attempt.turn}"
    provider = shortened(attempt.provider, MAX_PROVIDER)
    parts = (attempt.task, provider, f"t{attempt.trial}", count if attempt.phase == WORKING else "", _doing(attempt))
    return " ".join(part for part in (*parts, times) if part)
