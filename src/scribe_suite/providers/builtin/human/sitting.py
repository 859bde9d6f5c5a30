"""A person at work on one attempt: the clock, the notes, the calls. Front ends (a terminal, a page) are others' job.

Nothing reaches the notebook while the clock is stopped, and the clock can't be stopped while a cell runs: time in which
anything is computed is time of work.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from scribe_suite.errors import SuiteError
from scribe_suite.providers.base import Activity, Limits
from scribe_suite.providers.builtin.human.link import NotebookLink, OnOutput, Reply
from scribe_suite.providers.clock import AttemptClock
from scribe_suite.providers.transcript import Message, ToolCall, Transcript, shorten
from scribe_suite.untrusted_files import UntrustedFolder, write_all

NOTES, TRANSCRIPT = "notes.jsonl", "transcript.json"
#: Characters of one note.
MAX_NOTE = 20_000
#: How many notes are kept.
MAX_NOTES = 2_000


class RefusedError(SuiteError):
    """The person asked for something that is not possible now; the message says why."""


class Stage(StrEnum):
    """Where a sitting is."""

    WAITING = "waiting"
    WORKING = "working"
    PAUSED = "paused"
    OVER = "over"


@dataclass(frozen=True)
class Status:
    """A sitting as its person sees it; it says nothing of the score.

    Attributes:
        stage: Where it is.
        worked_s: Seconds of work so far.
        limit_s: Seconds of work that it may take.
        cell_s: Seconds that one cell may take.
        sessions: Sessions that were started, the latest last.
        calls: Calls of the notebook's tools.
        first_answer_s: Seconds of work until the first valid answer, or None.
        last_answer_s: The same until the last one.
    """

    stage: Stage
    worked_s: float
    limit_s: float
    cell_s: float
    sessions: tuple[str, ...]
    calls: int
    first_answer_s: float | None
    last_answer_s: float | None


class Sitting:
    """One person's attempt. All methods belong to one event loop.

    Args:
        link: The notebook.
        clock: The attempt's clock, which is stopped here at once.
        prompt: What the person gets when the clock starts.
        limits: The attempt's limits; only times matter to people.
        outputs: Where notes and transcript are kept.
        name: The provider, for the transcript.
        activity: Updated for viewers of the run.

    Attributes:
        over: Set when the person has ended it.
        changed: Set whenever something has happened; whoever waits for it clears it.
    """

    def __init__(
        self,
        link: NotebookLink,
        clock: AttemptClock,
        prompt: str,
        limits: Limits,
        outputs: UntrustedFolder,
        name: str,
        activity: Activity | None = None,
    ) -> None:
        clock.pause()
        self._link = link
        self._clock = clock
        self._prompt = prompt
        self._limits = limits
        self._outputs = outputs
        self._activity = activity or Activity()
        self._transcript = Transcript(cli=name)
        self._begun = False
        self._open = 0
        self._sessions: list[str] = []
        self._first: float | None = None
        self._last: float | None = None
        self._notes: list[dict[str, Any]] = []
        self.over = asyncio.Event()
        self.changed = asyncio.Event()

    @property
    def stage(self) -> Stage:
        """Where it is."""
        if self.over.is_set():
            return Stage.OVER
        if not self._begun:
            return Stage.WAITING
        return Stage.WORKING if self._clock.running else Stage.PAUSED

    @property
    def tools(self) -> list[dict[str, Any]]:
        """The notebook's tools."""
        return self._link.tools

    @property
    def notes(self) -> list[dict[str, Any]]:
        """The notes so far, oldest first."""
        return list(self._notes)

    @property
    def calls(self) -> int:
        """Calls of the notebook's tools so far."""
        return len(self._transcript.calls)

    @property
    def time_is_over(self) -> bool:
        """Whether the limit was reached."""
        return self._clock.worked_s > self._limits.wall_s

    def status(self) -> Status:
        """Where it is, and what the person has done."""
        return Status(
            stage=self.stage,
            worked_s=round(self._clock.worked_s, 1) if self._begun else 0.0,
            limit_s=self._limits.wall_s,
            cell_s=self._limits.cell_s,
            sessions=tuple(self._sessions),
            calls=self.calls,
            first_answer_s=self._first,
            last_answer_s=self._last,
        )

    def prompt(self) -> str:
        """The prompt.

        Raises:
            RefusedError: Before the clock was started: reading is work.
        """
        if not self._begun:
            raise RefusedError("The clock has not been started: the prompt is shown when it is.")
        return self._prompt

    def start(self) -> None:
        """Start the clock for the first time.

        Raises:
            RefusedError: When it was started before.
        """
        if self._begun:
            raise RefusedError("The clock was started already.")
        self._require_not_over()
        self._begun = True
        self._clock.resume()
        self._event("The clock was started.")

    def pause(self) -> None:
        """Stop the clock.

        Raises:
            RefusedError: While a cell runs, or when it does not run.
        """
        self._require_working()
        if self._open:
            raise RefusedError("Something is running in the notebook: wait for its end or interrupt it, then pause.")
        self._clock.pause()
        self._event("The clock was stopped.")

    def resume(self) -> None:
        """Let the clock go on.

        Raises:
            RefusedError: When it is not stopped.
        """
        self._require_not_over()
        if self.stage is not Stage.PAUSED:
            raise RefusedError("The clock is not stopped." if self._begun else "The clock has not been started.")
        self._clock.resume()
        self._event("The clock goes on.")

    def note(self, text: str) -> None:
        """Keep a note with the attempt; possible at any time, also while the clock is stopped.

        Raises:
            RefusedError: For an empty note, one that is too long, or too many.
        """
        self._require_not_over()
        if not text.strip():
            raise RefusedError("The note is empty.")
        if len(text) > MAX_NOTE or len(self._notes) >= MAX_NOTES:
            raise RefusedError(f"A note may have {MAX_NOTE:,} characters, and there may be {MAX_NOTES:,} of them.")
        at, written = round(self._worked(), 1), datetime.now(UTC).isoformat(timespec="seconds")
        note = {"at": at, "written": written, "text": text}
        with self._outputs.append(NOTES) as file:  # at once: it is not lost, whatever happens to the run
            write_all(file, json.dumps(note).encode() + b"\n")
        self._notes.append(note)
        self._transcript.say(at, "assistant", text)
        self.changed.set()

    async def ask(self, tool: str, arguments: Mapping[str, Any], on_output: OnOutput | None = None) -> Reply:
        """Call a tool of the notebook.

        Args:
            tool: Its name.
            arguments: Its arguments.
            on_output: See `NotebookLink.call`.

        Raises:
            RefusedError: While the clock is stopped.
            InfrastructureError: When the notebook is gone.
        """
        self._require_working()
        call = ToolCall(tool=tool, arguments=shorten(json.dumps(dict(arguments))), started=round(self._worked(), 2))
        self._transcript.calls.append(call)
        with self._running():
            reply = await self._link.call(tool, arguments, on_output)
        call.ended, call.is_error, call.output = round(self._worked(), 2), reply.is_error, shorten(reply.text)
        self._learn(tool, arguments, reply)
        return reply

    async def submit(self, variable: str, session: str | None = None) -> Reply:
        """Submit a variable.

        Args:
            variable: Its name.
            session: Where it is; the session that was started last by default.

        Raises:
            RefusedError: While the clock is stopped, or without a session.
            InfrastructureError: When the notebook is gone.
        """
        self._require_working()
        chosen = session or (self._sessions[-1] if self._sessions else None)
        if chosen is None:
            raise RefusedError("There is no session yet whose variable could be submitted: run a cell first.")
        return await self.ask("submit_answer", {"session_id": chosen, "variable": variable})

    def quit(self) -> None:
        """End the attempt: what was submitted counts."""
        self._event("The attempt was ended.")
        self.over.set()
        self.changed.set()

    def keep_transcript(self, end_reason: str) -> None:
        """Write the transcript.

        Args:
            end_reason: See `Transcript`.
        """
        self._transcript.end_reason, self._transcript.final = end_reason, True
        self._outputs.write(TRANSCRIPT, [self._transcript.model_dump_json(indent=1).encode("utf-8", "replace") + b"\n"])

    def _learn(self, tool: str, arguments: Mapping[str, Any], reply: Reply) -> None:
        """Note what a call has changed."""
        session = reply.value.get("session_id")
        if tool.startswith("start_") and isinstance(session, str):
            self._sessions.append(session)
        elif tool == "shutdown_session" and not reply.is_error and arguments.get("session_id") in self._sessions:
            self._sessions.remove(arguments["session_id"])
        elif tool == "submit_answer" and reply.value.get("accepted") is True:
            self._last = round(self._worked(), 1)
            self._first = self._last if self._first is None else self._first

    @contextlib.contextmanager
    def _running(self) -> Iterator[None]:
        self._open += 1
        self.changed.set()
        try:
            yield
        finally:
            self._open -= 1
            self.changed.set()

    def _worked(self) -> float:
        return self._clock.worked_s if self._begun else 0.0

    def _event(self, text: str) -> None:
        self._transcript.messages.append(Message(at=round(self._worked(), 2), role="cli", text=text))
        self.changed.set()

    def _require_not_over(self) -> None:
        if self.over.is_set():
            raise RefusedError("The attempt is over.")

    def _require_working(self) -> None:
        self._require_not_over()
        if not self._begun:
            raise RefusedError("The clock has not been started.")
        if not self._clock.running:
            raise RefusedError("The clock is stopped: let it go on first.")
        if self.time_is_over:
            raise RefusedError("The time is over.")
