"""Compares the usage of a running attempt with its limits, and gives the minimum that is recorded afterwards."""

from __future__ import annotations

from scribe_suite.providers import prices
from scribe_suite.providers.base import EndReason, Limits
from scribe_suite.providers.transcript import Tokens, Transcript

#: Seconds of silence, beyond the longest cell, after which a CLI is considered hanging.
SILENCE_S = 420.0
#: Seconds of silence that always count as thinking, however short the time of an attempt is.
THOUGHT_S = 20.0
#: Why a CLI was stopped after too long a silence.
SILENT = "silence"
#: Prefix of the reason when its time was over.
WALL = "The wall clock limit"


class Meter:
    """Compares what a CLI uses with the limits of its attempt.

    An interrupted CLI may report less at its end than before: the last answers are missing in its sums, or its session
    file can't be read any more. So the meter remembers the counts that it saw.

    Args:
        limits: The attempt's limits.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._tokens: Tokens | None = None
        self._turns = 0
        self._cost_usd = 0.0

    def exceeded(self, transcript: Transcript, elapsed: float, silent: float) -> str | None:
        """Which limit has been reached, as a sentence, or None.

        Args:
            transcript: The transcript so far.
            elapsed: Seconds since the start.
            silent: Seconds since the CLI's last output.
        """
        self._tokens = _larger(transcript.tokens, self._tokens)
        return self._time_over(transcript, elapsed, silent) or self._used_up(transcript)

    def settle(self, transcript: Transcript) -> None:
        """Correct the counts of a finished attempt: none may be below its value when a limit was reached."""
        transcript.tokens = _larger(transcript.tokens, self._tokens)
        transcript.requests = max(transcript.requests, self._turns)
        if not transcript.cost_usd:
            transcript.cost_usd = prices.cost_of(transcript.model, transcript.tokens) or transcript.cost_usd
        if self._cost_usd > (transcript.cost_usd or 0.0):
            transcript.cost_usd = self._cost_usd

    def _time_over(self, transcript: Transcript, elapsed: float, silent: float) -> str | None:
        if elapsed > self._limits.wall_s:
            # no model thinks for half of the time without output: the service has failed
            answering = any(call.ended is None for call in transcript.calls)
            return SILENT if silent > max(THOUGHT_S, elapsed / 2) and not answering else WALL
        return SILENT if silent > self._limits.cell_s + SILENCE_S else None

    def _used_up(self, transcript: Transcript) -> str | None:
        limits, turns = self._limits, turns_of(transcript)
        if limits.turns is not None and turns > limits.turns:
            self._turns = turns
            return f"The limit of {limits.turns} turns was reached."
        if limits.tokens is not None and self._tokens is not None and self._tokens.total > limits.tokens:
            return f"The limit of {limits.tokens} tokens was reached."
        if limits.cost_usd is None:
            return None
        cost = prices.cost_of(transcript.model, self._tokens) or 0.0
        if cost > limits.cost_usd:
            self._cost_usd = cost
            return f"The limit of {limits.cost_usd:g} US dollars was reached."
        return None


def turns_of(transcript: Transcript) -> int:
    """Turns of the model; some CLIs count requests only when they end."""
    return max(transcript.requests, len(transcript.calls))


def stop_reason(stopped: str | None) -> EndReason:
    """Why an attempt without a failure ended: by itself, or for the meter's reason."""
    if stopped is None:
        return EndReason.FINISHED
    return EndReason.TIMEOUT if stopped.startswith(WALL) else EndReason.LIMIT


def _larger(first: Tokens | None, second: Tokens | None) -> Tokens | None:
    """The counts with the larger sum; counts from two different moments are never mixed."""
    if first is None or second is None:
        return first or second
    return max(first, second, key=lambda tokens: tokens.total)
