"""Run a reference solution without a kernel, to measure its score on a base model at planting time.

Only this project's own solutions run here, in a child process and an empty folder; agents' code never does.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol

from scribe_suite.errors import SuiteError
from scribe_suite.laboratory.client.place import DESCRIPTOR
from scribe_suite.tasks.answers import Answer
from scribe_suite.tasks.solutions import parse_percent, solution_text
from scribe_suite.tasks.task import TaskInstance

_EPILOGUE = """
import json as _json
def _plain(value):
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} is not JSON")
with open("answer.json", "w") as _file:
    _json.dump(answer, _file, default=_plain)
"""

#: Puts the connection to the laboratory where `lab.py` looks for it, then runs the solution.
_START = "import os, runpy; os.dup2({0}, {1}); runpy.run_path('solution.py', run_name='__main__')"


class UnfinishedSolutionError(SuiteError):
    """A reference solution was stopped at its time limit, so its result is unknown."""


class Connects(Protocol):
    """The required interface of a `scribe_suite.laboratory.desk.Desk`."""

    def connect(self, session: str) -> socket.socket:
        """A connection, which the caller closes."""


def reference_answer(
    root: Path, instance: TaskInstance, timeout_s: float = 600.0, desk: Connects | None = None
) -> Answer:
    """The validated answer of the reference solution to `instance`.

    Args:
        root: Checkout with ``ground_truth/solutions``.
        instance: The instance; the solution gets only its public material.
        timeout_s: Wall clock limit.
        desk: The laboratory's desk, where the arm of the instance's task has a laboratory.

    Raises:
        UnfinishedSolutionError: When the solution does not finish in time.
        SuiteError: When it fails.
        AnswerError: When its ``answer`` is not valid.
    """
    solution = solution_text(root, instance.task)
    cells = [cell.source for cell in parse_percent(solution) if cell.kind == "code"]
    handed = instance.handed
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="scribe-reference-"))
        command: list[str] = ["solution.py"]
        connections: tuple[int, ...] = ()
        if desk is not None:
            number = stack.enter_context(desk.connect("reference")).fileno()
            command, connections = ["-c", _START.format(number, DESCRIPTOR)], (number,)
        for name, content in handed.files.items():
            (Path(folder) / name).write_bytes(content)
        script = "\n\n".join([handed.setup_code, *cells, _EPILOGUE])
        (Path(folder) / "solution.py").write_text(script)
        try:
            done = subprocess.run(
                [sys.executable, *command],
                cwd=folder,
                pass_fds=connections,
                env={**os.environ, "OMP_NUM_THREADS": "1", "MPLBACKEND": "Agg"},
                capture_output=True,
                text=True,
                timeout=timeout_s,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise UnfinishedSolutionError(
                f"The reference solution of {instance.task.id} did not finish in {timeout_s:.0f} s."
            ) from error
        if done.returncode:
            raise SuiteError(f"The reference solution of {instance.task.id} failed: {done.stderr.strip()[-1500:]}")
        raw = (Path(folder) / "answer.json").read_text()
    return instance.answer_schema.parse(raw)
