"""The public part of an instance as files: what a container's notebook is made from."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from scribe_suite.laboratory.terms import Terms
from scribe_suite.tasks.answer_schema import AnswerSchema

#: The description, the folder of the files for kernels, and that of the laboratory's model.
DESCRIPTION, FILES, MODEL = "instance.json", "files", "model"


class FrozenLaboratory(BaseModel):
    """What a laboratory is made from.

    Attributes:
        terms: What it grants.
        secret: Bytes that noise and samples are drawn from, in hexadecimal.
    """

    model_config = ConfigDict(extra="forbid")

    terms: Terms
    secret: str


class FrozenInstance(BaseModel):
    """The public part of an instance.

    Attributes:
        format: Version of this format.
        id: Name of the instance.
        task: Id of the task.
        version: Version of the task.
        setup: First cell of the notebook.
        preload: Modules that kernels find imported.
        cell_timeout_s: Seconds that a cell may run.
        life_s: Seconds after which the notebook ends by itself.
        answer_model: ``module:class`` of the answer.
        facts: The facts that the answer is validated with.
        example: A valid answer.
        laboratory: Where there is one.
    """

    model_config = ConfigDict(extra="forbid")

    format: int = 1
    id: str
    task: str
    version: int
    setup: str
    preload: list[str]
    cell_timeout_s: float = Field(gt=0)
    life_s: float = Field(gt=0)
    answer_model: str
    facts: dict[str, Any]
    example: dict[str, Any]
    laboratory: FrozenLaboratory | None = None

    @property
    def schema_of_answers(self) -> AnswerSchema:
        """What answers must look like."""
        module, _, name = self.answer_model.partition(":")
        return AnswerSchema(getattr(importlib.import_module(module), name), self.facts, self.example)


def read_frozen(folder: Path) -> FrozenInstance:
    """Read the description of an instance.

    Raises:
        OSError: When it can't be read.
        ValueError: When it is not one.
    """
    return FrozenInstance.model_validate_json((folder / DESCRIPTION).read_bytes())


def files_of(folder: Path) -> dict[str, bytes]:
    """The files of a folder by name.

    Raises:
        OSError: When they can't be read.
    """
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())} if folder.is_dir() else {}
