"""The counters behind `NotebookStatus`."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from scribe_suite.notebook.config import NotebookStatus
from scribe_suite.sandbox.tiers import IsolationTier


@dataclass
class Counters:
    """Mutable counterpart of `NotebookStatus`; written in the server's thread, read from any."""

    tier: IsolationTier
    sessions_started: int = 0
    sessions_open: int = 0
    tools_listed: int = 0
    tool_calls: int = 0
    tool_errors: int = 0
    tool: str | None = None
    actions: Counter[str] = field(default_factory=Counter)
    calls_open: int = 0
    cells_run: int = 0
    cell_timeouts: int = 0
    interrupts: int = 0
    kernel_deaths: int = 0
    restarts: int = 0
    submissions: int = 0
    submissions_accepted: int = 0
    submission_error: str | None = None
    infrastructure: tuple[str, str] | None = None
    busy_s: float = 0.0
    session_start_s: float = 0.0
    begin: float = field(default_factory=time.monotonic)

    @contextmanager
    def answering(self, tool: str | None) -> Iterator[None]:
        """Count a call of a tool, which is answered in the block; None for a tool that does not exist."""
        self.tool_calls += 1
        self.calls_open += 1
        self.tool = tool
        if tool is not None:
            self.actions[tool] += 1
        try:
            yield
        finally:
            self.calls_open -= 1

    def cell_ended(self, kind: str, status: str, seconds: float) -> None:
        """Count the end of a run."""
        self.busy_s += seconds
        self.cells_run += kind == "agent"
        self.cell_timeouts += status == "timeout"

    def infrastructure_failed(self, cause: str, message: str) -> None:
        """Record a failure that is not the agent's; the first one is kept."""
        self.infrastructure = self.infrastructure or (cause, message)

    def snapshot(self) -> NotebookStatus:
        """The current counts."""
        cause, message = self.infrastructure or (None, None)
        return NotebookStatus(
            isolation=self.tier.name,
            isolation_reasons=self.tier.reasons,
            sessions_started=self.sessions_started,
            sessions_open=self.sessions_open,
            tools_listed=self.tools_listed,
            tool_calls=self.tool_calls,
            tool_errors=self.tool_errors,
            tool=self.tool,
            actions=dict(self.actions),
            calls_open=self.calls_open,
            cells_run=self.cells_run,
            cell_timeouts=self.cell_timeouts,
            interrupts=self.interrupts,
            kernel_deaths=self.kernel_deaths,
            restarts=self.restarts,
            submissions=self.submissions,
            submissions_accepted=self.submissions_accepted,
            submission_error=self.submission_error,
            infrastructure_cause=cause,
            infrastructure_error=message,
            uptime_s=time.monotonic() - self.begin,
            busy_s=self.busy_s,
            session_start_s=self.session_start_s,
        )
