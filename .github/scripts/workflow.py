"""How a step of a workflow talks to GitHub: outputs, annotations, and what its environment says.

Standard library only: some jobs run without the project's environment.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn


class StepError(Exception):
    """Why a step can't do its work; the message says what to do."""


def variable(name: str) -> str:
    """An environment variable that the workflow must set; it may be empty.

    Raises:
        StepError: When it is not set.
    """
    if name not in os.environ:
        raise StepError(f"The step needs the environment variable {name}: set it in the workflow.")
    return os.environ[name].strip()


def write_outputs(values: Mapping[str, str]) -> None:
    """Add outputs of the step; a value is one line, so that none can pretend to be another output.

    Raises:
        StepError: When a value has several lines.
    """
    for name, value in values.items():
        if "\n" in value or "\r" in value:
            raise StepError(f"The output {name} has several lines.")
    with Path(variable("GITHUB_OUTPUT")).open("a", encoding="utf-8") as file:
        file.writelines(f"{name}={value}\n" for name, value in values.items())


def annotate(kind: str, message: str) -> None:
    """Show a message on the run's page.

    Args:
        kind: ``notice``, ``warning`` or ``error``.
        message: What is shown; whatever is in it, it stays one message.
    """
    escaped = message.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    sys.stdout.write(f"::{kind}::{escaped}\n")
    sys.stdout.flush()


def fail(error: StepError) -> NoReturn:
    """End the step with an error that is shown on the run's page."""
    annotate("error", str(error))
    sys.exit(1)
