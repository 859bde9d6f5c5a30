"""What failed when an agent's CLI did: read off the HTTP status and the words of the CLI.

Exit codes are never trusted alone. What follows from a cause stands in `scribe_suite.causes`.
"""

from __future__ import annotations

import re

from scribe_suite.providers.transcript import Transcript

#: Causes by HTTP status; any other one is `server_error` from 500 on, else `request_refused`.
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
    """The cause that an error message, or the end of what a CLI printed, speaks of, or None."""
    read = without_stacks(text)[-_READ:]
    return next((cause for pattern, cause in _BY_WORDS if re.search(pattern, read, re.IGNORECASE)), None)


def without_stacks(text: str) -> str:
    """What a CLI printed without the lines of stacks, whose numbers look like statuses."""
    return "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("at "))


def by_status(status: int) -> str:
    """The cause that an HTTP status stands for."""
    return _BY_STATUS.get(status) or ("server_error" if status >= 500 else "request_refused")


def diagnose(transcript: Transcript, exit_code: int | None, stderr: str) -> str | None:
    """What became of a CLI that has ended by itself.

    Args:
        transcript: What it said and did.
        exit_code: Of its process, or None when it was stopped.
        stderr: What it printed besides.

    Returns:
        A key of `causes.CAUSES`, or None when it did its work in order.
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
