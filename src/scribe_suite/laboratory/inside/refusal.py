"""The one error of the model process that is a request's doing."""

from __future__ import annotations


class RefusedError(Exception):
    """The request can't be done; the message is one sentence for whoever made it."""
