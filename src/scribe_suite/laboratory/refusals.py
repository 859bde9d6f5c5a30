"""The messages with which the laboratory refuses an agent's request."""

from __future__ import annotations

from scribe_suite.errors import SuiteError


class RefusedError(SuiteError):
    """A request that is not done, and costs nothing; the message is one sentence that is safe to show to the agent."""
