"""The only error of the model process that a request can cause."""

from __future__ import annotations


class RefusedError(Exception):
    """The request can't be executed; the message is one sentence for the requester."""
