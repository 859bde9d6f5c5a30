"""Reference solutions: percent-format notebooks under ``ground_truth/solutions/<family>/<name>.py``.

Tasks may share one; `Task.solution` names it then. `Task.laboratory_solution` names the one for laboratories.

A line ``# %%`` starts a code cell, ``# %% [markdown]`` a Markdown cell whose lines are comments. The line
``# %% [cells of] cells/patching.py`` includes the cells of that file, so that notebooks with the same methods share
them. The solution uses only what an agent has (the names its set-up cell defines) and leaves its result in ``answer``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from scribe_suite.errors import ConfigurationError
from scribe_suite.paths import find_part
from scribe_suite.tasks.facts import TaskFacts
from scribe_suite.tasks.task import Task

#: The provider that runs them; agents are measured against it.
REFERENCE = "reference"
_MARKER = re.compile(r"^# %%(?P<rest>.*)$", re.MULTILINE)
_SHARED = re.compile(r"^# %% \[cells of\] (?P<name>cells/\w+\.py)$", re.MULTILINE)


@dataclass(frozen=True)
class Cell:
    """One cell of a percent-format notebook."""

    kind: Literal["code", "markdown"]
    source: str


def solution_path(root: Path, task: Task | TaskFacts) -> Path:
    """The path of `task`'s reference solution.

    Raises:
        ConfigurationError: When it does not exist.
    """
    name = task.solution or task.name
    if task.access != "weights":
        name = task.laboratory_solution
        if task.access == "outputs" or not name:
            raise ConfigurationError(f"There is no reference solution of {task.id}, whose arm is {task.access!r}.")
    path = find_part(root, "ground_truth", "solutions", task.family, f"{name}.py")
    if not path.is_file():
        raise ConfigurationError(f"The reference solution of {task.id} is missing: write {path.relative_to(root)}.")
    return path


def solution_text(root: Path, task: Task | TaskFacts) -> str:
    """The whole reference solution of `task`, shared cells included.

    Raises:
        ConfigurationError: When it, or a file of shared cells, does not exist.
    """
    path = solution_path(root, task)

    def cells_of(match: re.Match[str]) -> str:
        shared = find_part(root, "ground_truth", "solutions", task.family, match["name"])
        if not shared.is_file():
            raise ConfigurationError(
                f"ground_truth/solutions/{task.family}/{path.name} uses the cells of {match['name']}, which is not in "
                "its folder."
            )
        text = shared.read_text()
        first = _MARKER.search(text)  # what stands before it (a module docstring) would join the cell above
        return text[first.start() :].rstrip("\n") if first else ""

    return _SHARED.sub(cells_of, path.read_text())


def parse_percent(text: str) -> list[Cell]:
    """Split percent-format text into cells; text before the first marker (a module docstring) is dropped."""
    cells: list[Cell] = []
    kind: Literal["code", "markdown"] | None = None
    lines: list[str] = []
    for line in [*text.splitlines(), "# %%"]:
        marker = _MARKER.match(line)
        if marker is None:
            lines.append(line)
            continue
        source = "\n".join(lines).strip("\n")
        if kind is not None and source.strip():
            cells.append(Cell(kind, _uncomment(source) if kind == "markdown" else source))
        kind = "markdown" if "[markdown]" in marker["rest"] else "code"
        lines = []
    return cells


def _uncomment(source: str) -> str:
    return "\n".join(re.sub(r"^# ?", "", line) for line in source.splitlines())
