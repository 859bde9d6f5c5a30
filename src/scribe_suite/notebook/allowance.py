"""Limits how much an agent can make the harness write: journals and notebooks are on the host's disk."""

from __future__ import annotations

import json

from scribe_suite.notebook.errors import ToolInputError


class Allowance:
    """The remaining bytes that all journals of a server may have together.

    An agent's request is refused when it does not fit. The harness's own notes (how a cell ended, for example) are
    short and always written.

    Args:
        limit: Bytes.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.left = limit

    def spend(self, count: int) -> None:
        """Count written bytes."""
        self.left -= count

    def require(self, *texts: str) -> None:
        """Refuse texts that need more than is left.

        Raises:
            ToolInputError: It says what is still possible.
        """
        if sum(len(json.dumps(text)) for text in texts) > self.left:
            raise ToolInputError(
                f"The notebooks of this attempt may have {self.limit >> 20} MiB, and this does not fit any more. You "
                "can still submit an answer."
            )
