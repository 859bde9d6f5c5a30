"""Where a kernel has what the client needs; standard library only, since the harness imports it too."""

from __future__ import annotations

#: Number of the descriptor at which a kernel finds the connected socket.
DESCRIPTOR = 10
