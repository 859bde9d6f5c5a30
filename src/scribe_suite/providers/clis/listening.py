"""One run of a CLI as the harness follows it: events, limits, and output without secrets."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from dataclasses import replace

from scribe_suite.errors import ConfigurationError
from scribe_suite.providers import prices
from scribe_suite.providers.base import Activity, Limits
from scribe_suite.providers.clis.adapter import Adapter, Job
from scribe_suite.providers.clis.events import parse_event
from scribe_suite.providers.clis.login import Login, secrets_of
from scribe_suite.providers.clis.meter import Meter, turns_of
from scribe_suite.providers.secrets import Scrubber
from scribe_suite.providers.transcript import Transcript
from scribe_suite.untrusted_files import UntrustedFolder

#: Seconds between two readings of tokens that a CLI reports only in its files.
LOOK_S = 2.0
#: Where no limit depends on them, the readings take at most this share of the time.
LOOKING = 0.05
#: Errors from reading data of an unexpected form.
_ODD = (AttributeError, KeyError, TypeError, ValueError, ArithmeticError, RecursionError)


class Listener:
    """Follows one run of a CLI.

    Args:
        adapter: See the attributes.
        job: See the attributes.
        login: The login it got.
        transcript: Filled while it runs.
        activity: Updated for viewers of the run.

    Attributes:
        adapter: The CLI's adapter.
        job: Its job.
        meter: Measures its use of the limits.
    """

    def __init__(self, adapter: Adapter, job: Job, login: Login, transcript: Transcript, activity: Activity) -> None:
        self.meter = Meter(job.limits)
        self.adapter = adapter
        self.job = job
        self._login = login
        self._transcript = transcript
        self._activity = activity
        self._lines: list[str] = []
        self._next_look = LOOK_S
        self.learn_secrets()

    def look_into(self, home: UntrustedFolder) -> None:
        """From now on, read the CLI's files in this folder, its home."""
        self.job = replace(self.job, kept=home)

    def learn_secrets(self) -> None:
        """Find all secrets that must be redacted; repeated at the end, since a CLI may have renewed its tokens."""
        self._scrubber = Scrubber(secrets_of(self._login, self.job.kept, self.job.environ))

    def take(self, line: str, at: float) -> None:
        """Keep a line of its stdout, and process its event.

        Args:
            line: The line.
            at: Seconds since the start.
        """
        self._lines.append(json.dumps({"at": round(at, 3), "line": self.clean(line.rstrip("\n"))}))
        event = parse_event(self.clean(line))
        if event is None:
            return
        try:
            self.adapter.read(event, at, self._transcript)
        except _ODD:
            self._transcript.unknown_events += 1  # a version we do not know; what we do know is still read

    def watch(self, elapsed: float, silent: float) -> str | None:
        """Why it must stop, or None.

        Args:
            elapsed: Seconds since the start.
            silent: Seconds since its last line.
        """
        report_activity(self._activity, self._transcript)
        if elapsed > self._next_look:
            self._next_look = elapsed + self._look_for_tokens()
        return self.meter.exceeded(self._transcript, elapsed, silent)

    def _look_for_tokens(self) -> float:
        """Report how many tokens were used; returns the seconds until the next reading."""
        limited = _counted_in_files(self.job.limits)
        # turns that are counted only in files are read at the end, unless a limit needs them
        counted = self._transcript if limited else self._transcript.model_copy()
        begin = time.monotonic()
        self._read_files(counted)
        _report_tokens(self._activity, counted)
        return LOOK_S if limited else max(LOOK_S, (time.monotonic() - begin) / LOOKING)

    def look_at_files(self) -> None:
        """Read its files; files of an unexpected form are ignored."""
        self._read_files(self._transcript)

    def _read_files(self, transcript: Transcript) -> None:
        with suppress(*_ODD):
            self.adapter.finish(self.job, transcript)

    def clean(self, text: str) -> str:
        """A text without secrets."""
        return self._scrubber.clean(text)

    def events(self) -> str:
        """All lines with their times, without secrets."""
        return "".join(f"{self.clean(line)}\n" for line in self._lines)


def report_activity(activity: Activity, transcript: Transcript) -> None:
    """Report progress to viewers of the run."""
    activity.turn = turns_of(transcript)
    last = transcript.calls[-1] if transcript.calls else None
    activity.own_tool = last.tool if last is not None and last.built_in else None
    _report_tokens(activity, transcript)


def _report_tokens(activity: Activity, transcript: Transcript) -> None:
    if transcript.tokens is not None:
        activity.tokens, activity.cost_usd = transcript.tokens.total, _cost_so_far(transcript)


def _cost_so_far(transcript: Transcript) -> float | None:
    if transcript.cost_usd:
        return transcript.cost_usd
    try:
        return prices.cost_of(transcript.model, transcript.tokens)
    except ConfigurationError:  # from an unreadable price table; reported at the end
        return None


def _counted_in_files(limits: Limits) -> bool:
    """Whether there is a limit on quantities that some CLIs count only in their files."""
    return bool(limits.tokens or limits.cost_usd)
