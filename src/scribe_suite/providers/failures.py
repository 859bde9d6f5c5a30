"""Every way an agent CLI can fail, as one table: what it is, whether it is tried again, whether it counts.

What failed is read off the HTTP status and the words of the CLI; exit codes are never trusted alone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from scribe_suite.providers.transcript import Transcript


@dataclass(frozen=True)
class Failure:
    """One way to fail.

    Attributes:
        counts: Whether it says something about the agent; else it is an infrastructure failure.
        retried: Whether the attempt is started again, as long as no tool has been called.
        advice: What the user can do, as a sentence; ``{cli}`` and ``{login}`` are filled in.
    """

    counts: bool
    retried: bool
    advice: str


FAILURES: dict[str, Failure] = {
    "not_logged_in": Failure(False, False, "Log in: {login}."),
    "auth_rejected": Failure(
        False, False, "The service refused the login: check the key and what it may use, or {login}."
    ),
    "rate_limited": Failure(False, True, "The service limits your requests: use fewer workers or --max-concurrent."),
    "server_error": Failure(False, True, "The service failed: try again later."),
    "network": Failure(False, True, "The service could not be reached: check network and proxy."),
    "no_response": Failure(False, True, "{cli} got no answer: the service or a proxy hangs."),
    "stalled": Failure(False, True, "The answer to {cli} stopped in the middle."),
    "mcp_not_connected": Failure(False, True, "{cli} could not reach the notebook; look at its stderr in outputs/."),
    "tools_missing": Failure(False, False, "{cli} was not offered the notebook's tools: its version may differ."),
    "cli_missing": Failure(False, False, "Install {cli}, or name its program in {variable}."),
    "cli_crashed": Failure(False, True, "{cli} failed or broke off: look at its events and stderr in outputs/."),
    "unknown_event": Failure(
        False, False, "{cli} told something that is not understood here: its version may differ; see its raw events."
    ),
    "request_refused": Failure(False, False, "The service refused the request: check the model's name."),
    "no_tool_call": Failure(True, False, "The agent called no tool."),
    "gave_up": Failure(True, False, "The agent ended by itself."),
    "limit_reached": Failure(True, False, "A limit was reached."),
}

_BY_STATUS = {401: "auth_rejected", 403: "auth_rejected", 408: "no_response", 429: "rate_limited"}
#: Characters of what a CLI printed that are looked at, from its end.
_READ = 4000
#: Words of the CLIs and of the services behind them, most telling first.
_BY_WORDS = (
    (r"mcp server.{0,40}fail", "mcp_not_connected"),  # what it says besides is of connections too
    (r"not logged in|please run /login|missing environment variable|set an auth method|no api key", "not_logged_in"),
    (
        r"\b40[13]\b|authenticat|permission_denied|unauthorized|forbidden|invalid api key|api key not valid",
        "auth_rejected",
    ),
    (r"\b429\b|rate.?limit|resource_exhausted|quota", "rate_limited"),
    (r"not valid json|json parse error|un(expected|recognized) token", "server_error"),  # a page of a proxy's, say
    (r"\b5\d\d\b|overloaded|high demand|internal server error|unavailable", "server_error"),
    (r"\b40[04]\b|invalid_argument|(?<!e)not_?found|invalid_request", "request_refused"),
    (r"transport error|network error|connection lost", "network"),
    (r"\bidle\b|stream (disconnected|closed|ended)|without a finish reason|incomplete", "stalled"),
    (r"timed out|timeout|no response", "no_response"),
    (r"econn|enotfound|eai_again|fetch failed|network|connection|dns|socket hang up|terminated", "network"),
    (r"mcp", "mcp_not_connected"),
)


def by_words(text: str) -> str | None:
    """The failure that an error message, or the end of what a CLI printed, tells of, or None."""
    told = without_stacks(text)[-_READ:]
    return next((cause for pattern, cause in _BY_WORDS if re.search(pattern, told, re.IGNORECASE)), None)


def without_stacks(text: str) -> str:
    """What a CLI printed without the lines of stacks, whose numbers look like statuses."""
    return "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("at "))


def by_status(status: int) -> str:
    """The failure that an HTTP status tells of."""
    return _BY_STATUS.get(status) or ("server_error" if status >= 500 else "request_refused")


def diagnose(transcript: Transcript, exit_code: int | None, stderr: str) -> str | None:
    """What became of a CLI that has ended by itself.

    Args:
        transcript: What it told.
        exit_code: Of its process, or None when it was stopped.
        stderr: What it printed besides.

    Returns:
        A key of `FAILURES`, or None when it did its work in order.
    """
    if transcript.limit:
        return "limit_reached"
    if transcript.error is not None:
        if transcript.status is not None:
            return by_status(transcript.status)
        return by_words(transcript.error) or by_words(stderr) or "cli_crashed"
    if transcript.connected is False:
        return "mcp_not_connected"
    if transcript.tools_offered is False:
        return "tools_missing"
    if not transcript.final:
        return by_words(stderr) or ("unknown_event" if transcript.unknown_events else "cli_crashed")
    if not transcript.notebook_calls:
        return (
            "mcp_not_connected" if re.search(r"mcp.*(fail|error|disconnect)", stderr, re.IGNORECASE) else "no_tool_call"
        )
    return "cli_crashed" if exit_code not in (0, None) else None
