"""Sends requests to an attempt that is handed over in a folder. Needs the standard library only."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

from scribe_suite.errors import ConfigurationError
from scribe_suite.providers.builtin.human.handover import SOCKET


def request(folder: Path, do: str, **fields: Any) -> dict[str, Any]:
    """Send one request and wait for its reply, however long that takes.

    Args:
        folder: Where the attempt is handed over.
        do: One of `handover.REQUESTS`.
        fields: What it needs.

    Raises:
        ConfigurationError: When no attempt answers there.
    """
    with socket.socket(socket.AF_UNIX) as connection:
        try:
            connection.connect(str(folder / SOCKET))
            connection.sendall(json.dumps({"do": do, **fields}).encode() + b"\n")
            line = connection.makefile("rb").readline()
        except OSError as error:
            raise ConfigurationError(
                f"No attempt waits in {folder} ({error.strerror or error}): it is over, or the folder is another one; "
                "`scribe-suite attempt list` shows those that wait."
            ) from error
    if not line:
        raise ConfigurationError(f"The attempt in {folder} has ended.")
    reply: dict[str, Any] = json.loads(line)
    return reply
