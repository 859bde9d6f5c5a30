"""The measurements, as JSON next to this file and as a table in docs/reference/constants.md."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict, TypeAdapter

from scribe_suite.paths import suite_root
from scribe_suite.text import with_table

#: No constant answer may have a higher mean skill.
BAR = 0.05
RECORD = Path("studies/constant_answers/record.json")
DOCUMENT = Path("docs/reference/constants.md")
MARKERS = ("<!-- tables: written by studies/constant_answers -->", "<!-- end of tables -->")
#: Constants with a column of their own.
_COLUMNS = ("nothing", "everything", "example", "previous")


class Survey(BaseModel):
    """Mean skills of constant answers to one task.

    Attributes:
        version: The version of the task when it was measured.
        instances: Number of instances in the means.
        skills: Constant -> mean skill.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: int
    instances: int
    skills: dict[str, float]

    @property
    def best(self) -> tuple[str, float]:
        """The best constant in hindsight and its mean skill; the first of equal ones."""
        return max(self.skills.items(), key=lambda item: item[1])


_RECORDS = TypeAdapter(dict[str, Survey])


def read_record(root: Path | None = None) -> dict[str, Survey]:
    """All surveys by task id.

    Raises:
        ValidationError: If `write_record` can't have written the file.
    """
    return _RECORDS.validate_json(((root or suite_root()) / RECORD).read_bytes())


def write_record(surveys: Mapping[str, Survey], root: Path | None = None) -> None:
    """Add surveys to the record and write all of it to the document; entries of other tasks stay."""
    root = root or suite_root()
    path = root / RECORD
    known = read_record(root) if path.exists() else {}
    path.write_bytes(_RECORDS.dump_json(dict(sorted({**known, **surveys}.items())), indent=1) + b"\n")
    document = root / DOCUMENT
    document.write_text(with_table(document.read_text(), MARKERS, as_table(read_record(root))))


def as_table(surveys: Mapping[str, Survey]) -> str:
    """Markdown: a row for each task."""
    head = ("task", "version", "instances", *_COLUMNS, "best in hindsight", "which is")
    lines = [f"| {' | '.join(head)} |", "|---|" + "--:|" * (len(head) - 2) + "---|"]
    for task_id, survey in surveys.items():
        which, best = survey.best
        numbers = [_number(survey.skills.get(name)) for name in _COLUMNS] + [_number(best)]
        lines.append(f"| `{task_id}` | {survey.version} | {survey.instances} | {' | '.join(numbers)} | {which} |")
    return "\n".join(lines)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:z.2f}"
