"""Facts about a task that are known without importing its file: enough to list it and to collect its tests.

Task files import torch and more, which takes seconds. Their facts are cached, and checked against the task as soon as
it is loaded (`TaskRegistry`); scoring only ever uses the task itself.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from scribe_suite.paths import find_part
from scribe_suite.tasks.access import Access, question_of, split_access, with_access


class MeasuredTruth(BaseModel):
    """Identifies the measured truth of a task on real models, independently of the selected model.

    Attributes:
        id: The measurement's id.
        version: The measurement's version.
        inputs_sha256: SHA-256 of the data that it reads besides the model.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    id: str
    version: int
    inputs_sha256: str


class TaskFacts(BaseModel):
    """One task at one level, as `Task` describes its attributes.

    Attributes:
        family: The name of the folder.
        name: The name of its file.
        level: The level.
        label: The first part of the test id.
        source: ``planted`` or ``real``.
        version: Results of different versions are not comparable.
        summary: One line for lists.
        metrics: The metrics every score has.
        pass_mark: The skill from which it counts as solved, unless a marker or option says otherwise.
        is_default: Whether it runs when no level is asked for.
        has_headroom: Whether capable agents were measured to fail at it.
        solution: Name of the reference solution's file where several tasks share it, else empty.
        laboratory_solution: Name of the file of the reference solution for laboratories, or empty.
        access: The arm.
        accesses: All arms, the level's default first.
        models_id: Folder of its base models below ``ground_truth/frozen``; None where it has none.
        truth: The measured truth, for a task on a real model.
        decides_itself: Whether only the task itself can say if it is available and what its truth is, so that its file
            must be imported.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    family: str
    name: str
    level: int
    label: str
    source: str
    version: int
    summary: str
    metrics: tuple[str, ...]
    pass_mark: float
    is_default: bool
    has_headroom: bool = False
    solution: str = ""
    laboratory_solution: str = ""
    access: Access = "weights"
    accesses: tuple[Access, ...] = ("weights",)
    models_id: str | None = None
    truth: MeasuredTruth | None = None
    decides_itself: bool = False

    @property
    def id(self) -> str:
        """``family/label``."""
        return f"{self.family}/{self.label}"

    @property
    def question_id(self) -> str:
        """See `Task.question_id`."""
        return question_of(self.id)

    def in_arm(self, access: Access) -> TaskFacts:
        """The same question in another arm, which the task must have."""
        label = split_access(self.label)[0]
        named = label if access == self.accesses[0] else with_access(label, access)
        return self.model_copy(update={"access": access, "label": named})


def base_models_sha256(root: Path, models_id: str) -> dict[str, str]:
    """Hashes of the records of frozen base models by file name.

    Args:
        root: The suite.
        models_id: Their folder below ``ground_truth/frozen``.
    """
    folder = find_part(root, "ground_truth", "frozen", models_id)
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.glob("*.json"))}
