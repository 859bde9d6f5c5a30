"""``scribe-suite watch``: shows a run in another terminal, from its ledger and its status files."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from scribe_suite.errors import ConfigurationError
from scribe_suite.ledger.outcomes import rule_of
from scribe_suite.ledger.run_names import find_run, newest_run
from scribe_suite.watching.status_files import GONE_S, controller_alive, running_folder
from scribe_suite.watching.view import MAX_ROWS, LiveRun, Progress, clock

#: Default seconds between two updates, in a terminal and elsewhere.
TERMINAL_INTERVAL_S = 1.0
LOG_INTERVAL_S = 60.0
#: Seconds between two checks whether the run has ended, where lines come less often.
LOOK_S = 1.0
#: Rows of the view besides attempts.
OTHER_ROWS = 6
EXIT_CUT_OFF = 1


@dataclass
class LedgerCounts:
    """A growing ledger, read from where the last read ended.

    Args:
        path: The ledger.

    Attributes:
        run: Run id.
        planned: Node ids of the planned attempts.
        outcomes: Node id -> the valid outcome.
        finished: The exit code when the run has finished, else None.

    Raises:
        ConfigurationError: When the file can't be read or is not a ledger.
    """

    path: Path
    run: str = ""
    planned: set[str] = field(default_factory=set)
    outcomes: dict[str, str] = field(default_factory=dict)
    finished: int | None = None
    _offset: int = 0

    def __post_init__(self) -> None:
        self.read_on()
        if not self.run:
            raise ConfigurationError(f"{self.path} has no header: name a run id or a file runs/<run>.jsonl.")
        if PurePath(self.run).name != self.run or self.run == "..":  # it becomes the name of a folder
            raise ConfigurationError(f"{self.path} is of a run {self.run!r}, which is not the id of a run.")

    def read_on(self) -> None:
        """Read the lines that were added since the last read.

        Raises:
            ConfigurationError: As for the class.
        """
        try:
            with self.path.open("rb") as file:
                file.seek(self._offset)
                data = file.read()
        except OSError as error:
            raise ConfigurationError(f"The ledger {self.path} can't be read ({error.strerror}).") from error
        whole = data[: data.rfind(b"\n") + 1]  # the rest is just being written
        self._offset += len(whole)
        for line in whole.splitlines():
            try:
                self._take(json.loads(line))
            except (ValueError, TypeError, KeyError, AttributeError) as error:
                raise ConfigurationError(
                    f"{self.path} is not a ledger: name a run id or a file runs/<run>.jsonl."
                ) from error

    def progress(self) -> Progress:
        """How far the run is."""
        return Progress.of(len(self.planned), self.outcomes.values())

    def _take(self, line: dict[str, Any]) -> None:
        kind = line["line"]
        if kind == "header":
            self.run = str(line["run"])
            self.planned.update(map(str, line["planned"]))
        elif kind == "attempt":
            nodeid, outcome = str(line["nodeid"]), str(line["outcome"])
            before = self.outcomes.get(nodeid)
            # as in `records.in_effect`
            if before is None or rule_of(outcome).counts or not rule_of(before).counts:
                self.outcomes[nodeid] = outcome
        self.finished = int(line["exit_code"]) if kind == "end" else None  # a run that is resumed goes on after its end


def watched_ledger(run: str | None, results_dir: Path) -> Path:
    """The ledger of a run.

    Args:
        run: Its id, the path of its ledger, or None for the newest one.
        results_dir: Where ledgers are.

    Raises:
        ConfigurationError: When there is none.
    """
    return newest_run(results_dir) if run is None else find_run(run, results_dir)


class Watch:
    """A run that is being watched.

    Args:
        ledger: Path of its ledger.
    """

    def __init__(self, ledger: Path) -> None:
        self._counts = LedgerCounts(ledger)
        self._folder = running_folder(ledger.resolve().parent, self._counts.run)
        self._quiet_since: float | None = None

    @property
    def run(self) -> str:
        """Run id."""
        return self._counts.run

    def view(self) -> LiveRun:
        """The run now."""
        self._counts.read_on()
        return LiveRun.of(self._folder, self._counts.progress(), time.time())

    def ended(self, view: LiveRun) -> tuple[str, int] | None:
        """How the run ended, as a sentence and as this command's exit code; None while it is in progress."""
        if self._counts.finished is not None:
            return f"The run has ended with exit code {self._counts.finished}.", 0
        if view.running:
            return None
        alive = controller_alive(self._folder, view.now)
        try:
            silent_s = view.now - self._counts.path.stat().st_mtime
        except OSError:
            silent_s = GONE_S
        if alive is False or (alive is None and silent_s >= GONE_S):
            return "The run was cut off: no process of it is left, and its ledger has no last line.", EXIT_CUT_OFF
        return None


def watch(run: str | None, results_dir: Path, interval_s: float | None, once: bool) -> int:
    """Show a run until it has ended; returns the exit code.

    Args:
        run: See `watched_ledger`.
        results_dir: See `watched_ledger`.
        interval_s: Seconds between two updates, or None for the default of the output.
        once: Show the current state and return.

    Raises:
        ConfigurationError: When there is no such run.
    """
    watched = Watch(watched_ledger(run, results_dir))
    console = Console()
    terminal = console.is_terminal and not console.is_dumb_terminal
    if once:
        return _show_once(watched, console, terminal)
    if terminal:
        return _show_table(watched, console, interval_s or TERMINAL_INTERVAL_S)
    return _print_lines(watched, interval_s or LOG_INTERVAL_S)


def _show_once(watched: Watch, console: Console, terminal: bool) -> int:
    view = watched.view()
    end = watched.ended(view)
    if terminal:
        console.print(_page(watched, view, console, end))
    else:
        _write(f"run {watched.run}: {view.heading()}", *view.lines(), *([end[0]] if end else []))
    return 0


def _show_table(watched: Watch, console: Console, interval_s: float) -> int:
    with Live(console=console, auto_refresh=False) as live:
        while True:
            view = watched.view()
            end = watched.ended(view)
            live.update(_page(watched, view, console, end), refresh=True)
            if end is not None:
                return end[1]
            time.sleep(interval_s)


def _page(watched: Watch, view: LiveRun, console: Console, end: tuple[str, int] | None) -> Group:
    table = view.table(min(MAX_ROWS, console.height - OTHER_ROWS))
    last = end[0] if end else f"{time.strftime('%H:%M:%S')}  Ctrl-C ends this view, not the run."
    return Group(Text(f"run {watched.run}", style="bold"), table, Text(last, style="dim"))


def _print_lines(watched: Watch, interval_s: float) -> int:
    begin = time.monotonic()
    due = 0.0
    while True:
        view = watched.view()
        end = watched.ended(view)
        now = time.monotonic() - begin
        if end is not None or now >= due:
            due = now + interval_s
            _write(f"{clock(now)} {view.line()}")
        if end is not None:
            _write(end[0])
            return end[1]
        time.sleep(min(LOOK_S, interval_s))


def _write(*lines: str) -> None:
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    sys.stdout.flush()
