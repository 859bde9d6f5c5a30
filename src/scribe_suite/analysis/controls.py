"""A measured record of what tasks reveal without their model's internals, and of the best known skill.

The record is a file of the checkout, ``ground_truth/controls.json``; ``studies/black_box.py`` makes it. Together with a
run it answers two questions for every task: could the score have come from inputs and outputs alone, and how far is the
agent from the best known method?
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from scribe_suite.errors import ConfigurationError
from scribe_suite.ledger.records import Finite
from scribe_suite.paths import suite_root

RECORD = "ground_truth/controls.json"
#: From this skill on, a black box solves so much of a task that the task is not only about internals.
BLACK_BOX_BAR = 0.3


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class MeasuredControl(_Part):
    """The measurements on one task.

    Attributes:
        version: The task's version.
        solvers: Scripted solver that sees only inputs and outputs -> mean skill.
        best_method: Name of the best known method.
        best_skill: Its mean skill.
        best_source: Where that number comes from: a document, or the definition of skill 1.
        instances: Fresh instances that the solvers were measured on; 0 where the skill follows from the definition of
            the scorer's chance.
    """

    version: int
    solvers: dict[str, Finite]
    best_method: str
    best_skill: Finite
    best_source: str
    instances: int

    @property
    def solver(self) -> str:
        """The best of the solvers."""
        return max(self.solvers, key=lambda name: self.solvers[name])

    @property
    def black_box(self) -> float:
        """The skill of the best solver."""
        return self.solvers[self.solver]


class ControlRecord(_Part):
    """The file.

    Attributes:
        made_by: The command that makes it again.
        first_seed: Seed of the first instance of each task; the others follow.
        tasks: Task id -> the measurements on it.
    """

    made_by: str
    first_seed: int
    tasks: dict[str, MeasuredControl]


@dataclass(frozen=True)
class TaskControl:
    """A task of a comparison, with the measurements on it.

    Attributes:
        solver: The best black-box solver.
        gaps: Side -> skill of the best known method minus the side's mean skill.
        measured_version: The task's version when it was measured.
        attempted_versions: The task's versions in the attempts.
    """

    task: str
    black_box: float
    solver: str
    best_method: str
    best_skill: float
    gaps: Mapping[str, float]
    measured_version: int
    attempted_versions: tuple[int, ...]

    @property
    def is_current(self) -> bool:
        """Whether measurement and attempts use the same version of the task."""
        return self.attempted_versions == (self.measured_version,)


def read_controls(root: Path | None = None) -> ControlRecord:
    """The record of a checkout.

    Args:
        root: The checkout; the one that tasks are taken from by default.

    Raises:
        ConfigurationError: When there is no checkout, or its record can't be read.
    """
    path = (root or suite_root()) / RECORD
    try:
        return ControlRecord.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise ConfigurationError(f"{path} can't be read: make it again with python -m studies.black_box.") from error


def task_controls(
    record: ControlRecord,
    tasks: Sequence[str],
    versions: Mapping[str, tuple[int, ...]],
    skills: Mapping[str, Mapping[str, float]],
) -> tuple[TaskControl, ...]:
    """The controls of the tasks that the record contains.

    Args:
        record: The measured record.
        tasks: Task ids.
        versions: Task id -> versions of it that were attempted.
        skills: Side -> task id -> mean skill.
    """
    return tuple(
        TaskControl(
            task=task,
            black_box=found.black_box,
            solver=found.solver,
            best_method=found.best_method,
            best_skill=found.best_skill,
            gaps={side: found.best_skill - own[task] for side, own in skills.items() if task in own},
            measured_version=found.version,
            attempted_versions=versions[task],
        )
        for task in tasks
        if (found := record.tasks.get(task)) is not None
    )
