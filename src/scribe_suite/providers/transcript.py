"""Messages and actions of an agent CLI, in one schema for all CLIs; the raw events are kept as well.

Token counts mean the same for every CLI: ``input`` never includes cached tokens, ``output`` includes reasoning only
where the CLI does not count it separately.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

#: How many characters of one text are kept; the raw events have all of it.
MAX_TEXT = 20_000


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Message(_Part):
    """One message.

    Attributes:
        at: Seconds since the CLI was started.
        role: ``assistant`` is the model, ``user`` its prompter, ``cli`` the CLI itself.
    """

    at: float
    role: str
    text: str


class ToolCall(_Part):
    """A call of a tool.

    Attributes:
        tool: The tool's name without the CLI's prefix for the notebook's server.
        started: Seconds since the CLI was started.
        ended: Seconds since the CLI was started, or None without a result.
        is_error: Whether the result was an error.
        built_in: Whether it was not one of the notebook's tools.
    """

    tool: str
    arguments: str
    started: float
    ended: float | None = None
    is_error: bool = False
    output: str = ""
    built_in: bool = False


class Tokens(_Part):
    """Tokens of all requests together."""

    input: int = 0
    cached: int = 0
    cache_write: int = 0
    output: int = 0
    reasoning: int = 0

    def __add__(self, other: Tokens) -> Tokens:
        mine, others = self.model_dump(), other.model_dump()
        return Tokens(**{kind: count + others[kind] for kind, count in mine.items()})

    @property
    def total(self) -> int:
        """Tokens of all kinds."""
        return self.input + self.cached + self.cache_write + self.output + self.reasoning

    def by_kind(self) -> dict[str, int]:
        """Counts by name, without kinds that are 0 except input and output."""
        counts: dict[str, int] = self.model_dump()
        return {kind: count for kind, count in counts.items() if count or kind in ("input", "output")}


class Transcript(_Part):
    """A CLI's messages and actions in an attempt.

    Attributes:
        cli: Name of the provider.
        cli_version: As the CLI reports it, or None.
        model: Id of the model that answered, or None when the CLI does not report it.
        tokens: None when the CLI did not report them.
        requests: Requests to the model, as far as they can be counted.
        cost_usd: From the CLI or the price table; None when unknown.
        connected: Whether the notebook's tools were available, or None when the CLI does not report it.
        final: Whether the event arrived that ends a CLI properly.
        error: The CLI's reason for a failure, or None.
        status: HTTP status of the failure, or None.
        retrying: HTTP status for which the CLI is retrying, or None.
        limit: Whether the CLI stopped at its own limit.
        tools_offered: Whether the model was offered the notebook's tools, or None when the CLI does not report it.
        unknown_events: The number of events of an unexpected form.
        end_reason: ``finished``, ``timeout``, ``limit``, or a cause from `causes.CAUSES`.
    """

    cli: str
    cli_version: str | None = None
    model: str | None = None
    messages: list[Message] = []
    calls: list[ToolCall] = []
    tokens: Tokens | None = None
    requests: int = 0
    cost_usd: float | None = None
    connected: bool | None = None
    final: bool = False
    error: str | None = None
    status: int | None = None
    retrying: int | None = None
    limit: bool = False
    tools_offered: bool | None = None
    unknown_events: int = 0
    end_reason: str | None = None

    def say(self, at: float, role: str, text: str) -> None:
        """Add a message unless it is empty."""
        if text.strip():
            self.messages.append(Message(at=at, role=role, text=shorten(text)))

    @property
    def answered(self) -> bool:
        """Whether a model has said or done anything."""
        return bool(self.calls) or any(message.role == "assistant" for message in self.messages)

    @property
    def notebook_calls(self) -> int:
        """Calls of the notebook's tools."""
        return sum(not call.built_in for call in self.calls)


def shorten(text: str) -> str:
    """Shorten a text that is too long to its head and tail."""
    if len(text) <= MAX_TEXT:
        return text
    half = MAX_TEXT // 2
    return f"{text[:half]}\n[... {len(text) - 2 * half:,} characters left out ...]\n{text[-half:]}"
