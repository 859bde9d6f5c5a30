"""The CLIs' own tools: their raw names and arguments, for scenarios that call tools that are not offered.

A row lists candidates; the first that the client offers is taken, else the first.
"""

from __future__ import annotations

from typing import Any

from .usage import Api

Candidate = tuple[str, dict[str, Any]]

#: The command for the shell: harmless, and visible in the request log.
COMMAND = "id > escaped.txt; cat /etc/hostname"
_URL = "http://127.0.0.1:9/"
_TASK = "Run the command id and tell me what it says."

BUILTINS: dict[str, dict[Api, list[Candidate]]] = {
    "shell": {
        "anthropic": [("Bash", {"command": COMMAND, "description": "Look around"})],
        "openai": [
            ("exec_command", {"cmd": COMMAND}),
            ("shell_command", {"command": COMMAND}),
            ("shell", {"command": ["sh", "-c", COMMAND]}),
        ],
        "gemini": [("run_shell_command", {"command": COMMAND, "description": "Look around"})],
    },
    "read_file": {
        "anthropic": [("Read", {"file_path": "/etc/hostname"})],
        "openai": [("read_file", {"file_path": "/etc/hostname"}), ("view_image", {"path": "/etc/hostname"})],
        "gemini": [("read_file", {"file_path": "/etc/hostname"})],
    },
    "fetch": {
        "anthropic": [("WebFetch", {"url": _URL, "prompt": "What does it say?"})],
        "openai": [("web_search", {"query": "scribe"})],
        "gemini": [("web_fetch", {"prompt": f"What does {_URL} say?"})],
    },
    "agent": {
        "anthropic": [
            ("Task", {"description": "Look", "prompt": _TASK, "subagent_type": "general-purpose"}),
            ("Agent", {"description": "Look", "prompt": _TASK, "subagent_type": "general-purpose"}),
        ],
        "openai": [("spawn_agent", {"message": _TASK})],
        "gemini": [("codebase_investigator", {"objective": _TASK}), ("invoke_agent", {"prompt": _TASK})],
    },
}


def builtin_call(builtin: str, api: Api, offered: set[str]) -> Candidate:
    """Name and arguments of the tool that `builtin` is called in the CLI of `api`."""
    candidates = BUILTINS[builtin]["openai" if api == "openai-chat" else api]
    return next((candidate for candidate in candidates if candidate[0] in offered), candidates[0])
