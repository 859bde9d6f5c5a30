"""The cause of a failure of an agent's CLI, from the HTTP status and the CLI's messages.

Exit codes are never trusted alone. The consequences of a cause are in `scribe_suite.causes`.

An agent must not choose which of its attempts count. So once a model has said anything, only what its service or the
network does is nobody's failure; that it makes its own CLI stumble, fills its context or is refused for what it said
counts. And then only the CLI's own event says what failed: its stderr may repeat what tools have printed.
"""

from __future__ import annotations

import re

from scribe_suite.providers.transcript import Transcript

#: Causes by HTTP status; any other one is `server_error` from 500 on, else `request_refused`.
_BY_STATUS = {401: "auth_rejected", 403: "auth_rejected", 408: "no_response", 429: "rate_limited"}
#: Statuses of a request that can't be taken as it is; the model and the login are not what is wrong with it.
_BAD_REQUEST = (400, 413, 422)
#: Characters of what a CLI printed that are looked at, from its end.
_READ = 4000
#: Words for what a model brings about by what it says or reads, most telling first.
_OF_THE_MODEL = (
    (r"prompt is too long|input is too long|request.too.large|context.?(window|length|limit)", "context_overflow"),
    (r"token count.{0,60}exceed|maximum (context|prompt) length|too many (input )?tokens", "context_overflow"),
    (r"usage polic|content.?(filter|policy)|prohibited.?content|prompt was (blocked|flagged)|flagged as", "declined"),
    (r"\b(safety|recitation|blocklist|refusal)\b|unable to respond to this request", "declined"),
    (r"output.?token|max_?(output_?)?tokens|empty response", "unusable_output"),
    (r"malformed.?function.?call|unexpected.?tool.?call", "unusable_output"),
)
#: How a service says that a request can't be taken as it is.
_REFUSED = re.compile(
    r"(?:status|code|error)\W{0,4}4(?:00|13|22)\b|invalid_argument|invalid_request|bad request", re.IGNORECASE
)
#: What else such words may come with: then the model or the login is what is wrong.
_NOT_THE_CONVERSATION = re.compile(r"\b404\b|(?<!e)not_?found", re.IGNORECASE)
_NOT_ITS_WORDS = ("auth_rejected", "rate_limited", "not_logged_in")
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


def by_words_of_the_model(text: str) -> str | None:
    """What an error message says that a model has brought about, as a cause, or None."""
    return next((cause for pattern, cause in _OF_THE_MODEL if re.search(pattern, text, re.IGNORECASE)), None)


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
        exit_code: The exit code of its process, or None when it was stopped.
        stderr: What it printed besides.

    Returns:
        A key of `causes.CAUSES`, or None when it did its work in order.
    """
    if transcript.limit:
        return "limit_reached"
    if transcript.error is not None:
        return _by_error(transcript, transcript.error, stderr)
    if transcript.connected is False:
        return "mcp_not_connected"
    if transcript.tools_offered is False:
        return "tools_missing"
    if not transcript.final:
        return _without_end(transcript, exit_code, stderr)
    if not transcript.notebook_calls:
        return (
            "mcp_not_connected" if re.search(r"mcp.*(fail|error|disconnect)", stderr, re.IGNORECASE) else "no_tool_call"
        )
    return None if exit_code in (0, None) else "cli_broke_off"


def _by_error(transcript: Transcript, error: str, stderr: str) -> str:
    """The cause of what the CLI itself calls a failure."""
    status = transcript.status
    of_the_model = by_words_of_the_model(error) if status in (None, *_BAD_REQUEST) else None
    if not transcript.answered:
        if of_the_model == "declined":
            return of_the_model  # which may be all that it ever says
        if status is not None:
            return by_status(status)
        return by_words(error) or by_words(stderr) or "cli_crashed"
    if of_the_model is not None:
        return of_the_model
    if status is not None:
        return "conversation_refused" if status in _BAD_REQUEST else by_status(status)
    cause = by_words(error)
    # the reason may sound like a failure of the service: half an emoji is "not valid JSON" to it
    if _REFUSED.search(error) and not _NOT_THE_CONVERSATION.search(error) and cause not in _NOT_ITS_WORDS:
        return "conversation_refused"
    return cause or "cli_broke_off"


def _without_end(transcript: Transcript, exit_code: int | None, stderr: str) -> str:
    """The cause when the event is missing with which a CLI ends in order."""
    if transcript.unknown_events and exit_code in (0, None):
        return "unknown_event"  # it has ended in order, and says so in another way than is known here
    if transcript.answered:
        return "cli_broke_off"
    return by_words(stderr) or ("unknown_event" if transcript.unknown_events else "cli_crashed")
