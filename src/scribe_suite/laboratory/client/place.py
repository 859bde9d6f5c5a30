"""The place of the client's socket in a kernel; standard library only, since the harness imports it too."""

from __future__ import annotations

#: Number of the connected socket's descriptor in a kernel.
DESCRIPTOR = 10
