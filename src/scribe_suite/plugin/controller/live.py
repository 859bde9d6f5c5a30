"""Controller side of watching: a table below pytest's own output in a terminal, occasional lines elsewhere.

It reads the workers' status files in the run's folder, so it works the same way with and without xdist.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Generator
from contextlib import suppress
from typing import Any, Literal

import pytest

from scribe_suite.plugin.controller.controller import RunController
from scribe_suite.plugin.settings import Settings
from scribe_suite.watching.region import Region
from scribe_suite.watching.status_files import (
    HEARTBEAT_S,
    clear_running,
    make_running_folder,
    running_folder,
    write_controller,
)
from scribe_suite.watching.view import MAX_ROWS, LiveRun, Progress, rendered

logger = logging.getLogger(__name__)

#: Seconds between two redraws in a terminal.
REDRAW_S = 1.0
#: Rows of the view besides attempts: an empty one, its heading, the titles, the number of further attempts.
OTHER_ROWS = 4
#: Seconds that the view's thread gets to end.
JOIN_S = 2.0

Way = Literal["table", "lines", "off"]


class LiveView:
    """Shows the running attempts during a session; one per session, never in a worker.

    Args:
        config: The session's config.
        settings: Its options.
        controller: Knows which attempts are planned and done.
    """

    def __init__(self, config: pytest.Config, settings: Settings, controller: RunController) -> None:
        self._config = config
        self._settings = settings
        self._controller = controller
        self._folder = running_folder(settings.results_dir, settings.run)
        self._thread: threading.Thread | None = None
        self._over = threading.Event()
        self._paused = threading.Event()
        self._region: Region | None = None
        self._next_line_s = settings.live_interval_s
        self._announced = False
        self._progress: Progress | None = None

    @property
    def _reporter(self) -> Any:
        return self._config.pluginmanager.get_plugin("terminalreporter")

    def pytest_sessionstart(self) -> None:
        """Refuse a view that can't be shown, before anything runs."""
        if self._settings.live == "table" and not getattr(self._reporter, "isatty", False):
            raise pytest.UsageError("--live table needs a terminal: use --live lines, or leave it out.")

    @pytest.hookimpl(trylast=True)
    def pytest_collection_finish(self) -> None:
        """Let watchers know of a run without xdist."""
        self._announce()

    @pytest.hookimpl(trylast=True, optionalhook=True)
    def pytest_xdist_node_collection_finished(self) -> None:
        """Let watchers know of a run with xdist."""
        self._announce()

    def _announce(self) -> None:
        """Announce that this process leads a run with attempts, in place of an earlier one that was killed."""
        if self._controller.ledger.planned and not self._config.option.collectonly:
            self._announced = True
            with suppress(OSError):
                make_running_folder(self._folder)
            write_controller(self._folder)

    def pytest_runtest_logreport(self) -> None:
        """Recount when the next view is due; the controller has recorded everything by then."""
        self._progress = None

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logstart(self) -> None:
        """Begin with the first test of a run that has attempts; the workers have collected by then."""
        if self._thread is None and self._controller.ledger.planned:
            self._start()

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtestloop(self) -> Generator[None, object, object]:
        """End when the tests end, in whatever way."""
        try:
            return (yield)
        finally:
            self._stop()

    def pytest_enter_pdb(self) -> None:
        """Leave the terminal to the debugger."""
        self._paused.set()
        if self._region is not None:
            self._region.hide()

    def pytest_leave_pdb(self) -> None:
        """Continue after the debugger."""
        self._paused.clear()

    @pytest.hookimpl(tryfirst=True)
    def pytest_exception_interact(self) -> None:
        """A debugger, if there is one, begins by writing past the reporter."""
        if self._region is not None and self._config.getoption("usepdb", False):
            self.pytest_enter_pdb()

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logfinish(self) -> None:
        """There is no event for a debugger that has ended by itself."""
        self._paused.clear()

    def _start(self) -> None:
        way = self._way()
        if way != "off":
            self._take_terminal()
        show = {"table": self._table, "lines": self._lines, "off": self._nothing}[way if self._region else "off"]
        self._thread = threading.Thread(target=self._run, args=(show,), name="live-view", daemon=True)
        self._thread.start()

    def _way(self) -> Way:
        """How to show the run: as requested, or as suits the output."""
        if self._settings.live != "auto":
            return self._settings.live
        reporter = self._reporter
        if reporter is None or self._config.option.verbose < -1:
            return "off"
        # without capture, tests would write into the table
        terminal = bool(getattr(reporter, "isatty", False)) and os.environ.get("TERM", "dumb") != "dumb"
        return "table" if terminal and self._config.option.capture in ("fd", "sys") else "lines"

    def _take_terminal(self) -> None:
        """Put the region between pytest's reporter and its file; other kinds of reporters are left unchanged."""
        with suppress(OSError, ValueError, AttributeError):
            self._region = Region(self._reporter._tw)

    def _stop(self) -> None:
        self._over.set()
        if self._thread is not None:
            self._thread.join(JOIN_S)
        if self._announced:
            clear_running(self._folder)
        if self._region is not None:
            self._region.close()

    def _run(self, show: Any) -> None:
        begin = beat = time.monotonic()
        while not self._over.wait(min(REDRAW_S, self._settings.live_interval_s)):
            now = time.monotonic()
            if now > beat + HEARTBEAT_S:
                beat = now
                write_controller(self._folder)
            if not self._paused.is_set():
                try:
                    show(now - begin)
                except Exception:  # a run continues although it can't be watched
                    logger.exception("the live view ends")
                    show = self._nothing
                    if self._region is not None:
                        self._region.hide()

    def _view(self) -> LiveRun:
        if (progress := self._progress) is None:
            outcomes = [record.outcome for record in self._controller.ledger.records]
            self._progress = progress = Progress.of(len(self._controller.ledger.planned), outcomes)
        return LiveRun.of(self._folder, progress, time.time())

    def _table(self, _elapsed_s: float) -> None:
        assert self._region is not None
        columns, rows = self._region.size()
        most = min(MAX_ROWS, rows // 2 - OTHER_ROWS)
        # one column is left free: a terminal that has filled a line may already be in the next one
        lines = ["", *rendered(self._view(), columns - 1, most, self._reporter.hasmarkup)] if most > 0 else []
        if not self._paused.is_set():
            self._region.show(lines)

    def _lines(self, elapsed_s: float) -> None:
        if elapsed_s < self._next_line_s:
            return
        self._next_line_s = elapsed_s + self._settings.live_interval_s
        line = f"scribe-suite: {self._view().line()}"
        writer = self._reporter._tw
        if writer.width_of_current_line:
            writer.line()
        self._reporter.currentfspath = None  # what comes next names its test again
        writer.line(line)
        writer.flush()

    def _nothing(self, _elapsed_s: float) -> None:
        pass
