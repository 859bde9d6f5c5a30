"""What the browser may ask JupyterLab's server for; loaded by that server, and imports nothing of this package.

The list is of what a notebook needs. Terminals, conversions, and the end of the server, which would end the attempt's
place of work, are not on it.
"""

from __future__ import annotations

from typing import Any

from jupyter_server.auth import Authorizer

#: Resources by the server's names for them.
ALLOWED = frozenset({"api", "config", "contents", "csp", "events", "kernels", "kernelspecs", "lab", "sessions"})


class NotebookOnly(Authorizer):  # type: ignore[misc]
    """Allows what a notebook needs."""

    def is_authorized(self, handler: Any, user: Any, action: str, resource: str) -> bool:  # noqa: ARG002
        """Whether a request is allowed."""
        return resource in ALLOWED
