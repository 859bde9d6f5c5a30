"""The folder in a container that the notebook writes to and a verifier reads: how far it is, and the answer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from scribe_suite.untrusted_files import UntrustedFolder

#: Files of the folder.
STATUS, ANSWER, ENDPOINT, LOCK = "status.json", "answer.json", "endpoint", "lock"
#: Most bytes of a status.
MAX_BYTES = 1_000_000


class Status(BaseModel):
    """How far the notebook is.

    Attributes:
        instance: Name of the instance.
        pid: Process id of the notebook.
        isolation: How kernels are isolated.
        tool_calls: Calls of tools.
        submissions: Submitted answers, valid or not.
        accepted: Valid ones.
        rejection: Why the last invalid one was refused.
        spent: What the laboratory has charged, of `budget`; None without one.
        failure: What failed that is not the agent's fault, or None.
    """

    model_config = ConfigDict(extra="forbid")

    instance: str
    pid: int
    isolation: str = "none"
    tool_calls: int = 0
    submissions: int = 0
    accepted: int = 0
    rejection: str | None = None
    spent: int | None = None
    budget: int | None = None
    failure: str | None = None


def read_status(folder: Path) -> Status | None:
    """The status, or None when there is none that can be read: then the notebook never began, or was lost."""
    try:
        with UntrustedFolder(folder) as state:
            return Status.model_validate_json(state.read(STATUS, MAX_BYTES))
    except (OSError, ValueError):
        return None


def write_whole(folder: Path, name: str, value: Any) -> None:
    """Write a file so that a reader sees all of it or the one before.

    Raises:
        OSError: When it can't be written.
    """
    text = value if isinstance(value, str) else json.dumps(value)
    new = folder / f".{name}.new"
    new.write_text(text, encoding="utf-8")
    new.replace(folder / name)
