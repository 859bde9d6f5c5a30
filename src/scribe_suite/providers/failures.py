"""The cause of a failure of an agent's CLI, from the HTTP status and the CLI's messages.

Exit codes are never trusted alone. The consequences of a cause are in `scribe_suite.causes`.

An agent must not choose which of its attempts count. So once a model has produced any output, only failures of its
service or of the network do not count against it; crashing its own CLI, filling its context, or being refused for its
output counts. From then on, only the CLI's own event determines the cause: its stderr may repeat what tools have
printed.
"""

from __future__ import annotations

import re

from scribe_suite.providers.transcript import Transcript

#: Causes by HTTP status; any other one is `server_error` from 500 on, else `request_refused`.
_BY_STATUS = {401: "auth_rejected", 403: "auth_rejected", 408: "no_response", 429: "rate_limited"}
#: Statuses of a request that can't be accepted in its form; the model and the login are not at fault.
_BAD_REQUEST = (400, 413, 422)
#: How many characters from the end of a CLI's output are read.
_READ = 4000
#: Words for failures that a model causes by what it writes or reads, the most specific first.
_OF_THE_MODEL = (
    (r"prompt is too long|input is too long|request.too.large|context.?(window|length|limit)", "context_overflow"),
    (r"token count.{0,60}exceed|maximum (context|prompt) length|too many (input )?tokens", "context_overflow"),
    (r"usage polic|content.?(filter|policy)|prohibited.?content|prompt was (blocked|flagged)|flagged as", "declined"),
    (r"\b(safety|recitation|blocklist|refusal)\b|unable to respond to this request", "declined"),
    (r"output.?token|max_?(output_?)?tokens|empty response", "unusable_output"),
    (r"malformed.?function.?call|unexpected.?tool.?call", "unusable_output"),
)
#: How a service reports that a request can't be accepted in its form.
_REFUSED = re.compile(
    r"(?:status|code|error)\W{0,4}4(?:00|13|22)\b|invalid_argument|invalid_request|bad request", re.IGNORECASE
)
#: Words that may accompany these: then the model or the login is at fault.
_NOT_THE_CONVERSATION = re.compile(r"\b404\b|(?<!e)not_?found", re.IGNORECASE)
_NOT_ITS_WORDS = ("auth_rejected", "rate_limited", "not_logged_in")
#: Words of the CLIs and of their services, the most specific first.
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
    """The cause that an error message or the end of a CLI's output mentions, or None."""
    read = without_stacks(text)[-_READ:]
    return next((cause for pattern, cause in _BY_WORDS if re.search(pattern, read, re.IGNORECASE)), None)


def by_words_of_the_model(text: str) -> str | None:
    """The failure that a model has caused according to an error message, as a cause, or None."""
    return next((cause for pattern, cause in _OF_THE_MODEL if re.search(pattern, text, re.IGNORECASE)), None)


def without_stacks(text: str) -> str:
    """A CLI's output without stack traces, whose numbers look like statuses."""
    return "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("at "))


def by_status(status: int) -> str:
    """The cause for an HTTP status."""
    return _BY_STATUS.get(status) or ("server_error" if status >= 500 else "request_refused")


def diagnose(transcript: Transcript, exit_code: int | None, stderr: str) -> str | None:
    """The cause of failure of a CLI that has ended by itself.

    Args:
        transcript: Its messages and actions.
        exit_code: The exit code of its process, or None when it was stopped.
        stderr: Its stderr.

    Returns:
        A key of `causes.CAUSES`, or None when it worked properly.
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
    """The cause of a failure that the CLI itself reports."""
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
    # the reason may look like a failure of the service: to it, half an emoji is "not valid JSON"
    if _REFUSED.search(error) and not _NOT_THE_CONVERSATION.search(error) and cause not in _NOT_ITS_WORDS:
        return "conversation_refused"
    return cause or "cli_broke_off"


def _without_end(transcript: Transcript, exit_code: int | None, stderr: str) -> str:
    """The cause when the event that ends a CLI properly is missing."""
    if transcript.unknown_events and exit_code in (0, None):
        return "unknown_event"  # it has ended in order, and says so in another way than is known here
    if transcript.answered:
        return "cli_broke_off"
    return by_words(stderr) or ("unknown_event" if transcript.unknown_events else "cli_crashed")
