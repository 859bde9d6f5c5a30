"""Where a running notebook can be reached, and how a program asks for structured replies."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

#: In the ``_meta`` of a call: true for a ``structuredContent`` beside the text of its result.
STRUCTURED = "scribe-suite/structured"
#: In the ``_meta`` of a call: a token under which the outputs of its cell are sent as they come (see `output_stream`).
OUTPUTS = "scribe-suite/outputs"


@dataclass(frozen=True)
class NotebookEndpoint:
    """Address of the MCP server of one attempt.

    Attributes:
        socket_path: Unix socket on which the server speaks newline-delimited MCP JSON-RPC.
        pump_argv: Command that connects its stdin and stdout to that socket, for clients that launch a command.
    """

    socket_path: Path
    pump_argv: tuple[str, ...]
