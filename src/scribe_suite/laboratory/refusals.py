"""The messages with which the laboratory refuses an agent's request."""

from __future__ import annotations

from scribe_suite.errors import SuiteError


class RefusedError(SuiteError):
    """A refused request, which costs nothing; the message is one sentence that is safe to show to the agent."""
