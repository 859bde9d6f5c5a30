"""What an agent is told when the laboratory does not do what it has asked for."""

from __future__ import annotations

from scribe_suite.errors import SuiteError


class RefusedError(SuiteError):
    """A request that is not done, and costs nothing; the message is one sentence that is safe to show to the agent."""
