"""The best known method of a task, from the tables of methods in the documents.

Three kinds of tables are read: those whose first heading begins with "skill", with a row per method and a column per
task; those whose first heading is "reference", where the row "skill" is used; and those with a column "mean skill"
and a row per task. Rows that use the answer key are not methods.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from statistics import mean

from scribe_suite.tasks.task import Task

REFERENCE = "reference solution"
#: Family and source -> documents with tables of its methods.
DOCUMENTS: Mapping[tuple[str, str], str] = {
    ("circuits", "planted"): "docs/reference/methods.md",
    ("neurons", "planted"): "docs/truth/neurons.md",
    ("probes", "planted"): "docs/truth/probes.md",
    ("saes", "planted"): "docs/truth/saes.md",
    ("circuits", "real"): "docs/truth/real-circuits.md",
    ("neurons", "real"): "docs/truth/real-neurons.md",
    ("probes", "real"): "docs/truth/real-probes.md",
    ("variables", "real"): "docs/truth/real-variables.md",
}
#: Rows that use the key, or have a number other than a mean skill.
_NO_METHOD = re.compile(r"key|near misses|oracle|hindsight|reference notebook|primary metric|ceiling|share|accuracy")


@dataclass(frozen=True)
class BestMethod:
    """A method and its mean skill.

    Attributes:
        source: The document with the result.
    """

    method: str
    skill: float
    source: str


#: The reference solution has skill 1 by the definition of skill.
BY_DEFINITION = BestMethod(REFERENCE, 1.0, "the definition of skill 1")


def best_documented(task: Task, root: Path) -> BestMethod:
    """The best method of a task; the reference solution where no table has a better one.

    Args:
        task: The task.
        root: The checkout.
    """
    document = DOCUMENTS.get((task.family, task.source))
    if document is None:
        return BY_DEFINITION
    found = documented_skills(root / document).get(task.name, {})
    if not any(name.startswith("reference") for name in found):
        return BY_DEFINITION  # the measured methods are not better than the one that defines the scale
    # among equal methods a reference is preferred, then the first
    method = max(found, key=lambda name: (found[name], name.startswith("reference")))
    return BestMethod(method, found[method], document)


@cache
def documented_skills(document: Path) -> dict[str, dict[str, float]]:
    """Task name -> method -> mean skill, from all tables of a document."""
    real = document.stem.startswith("real-")
    skills: dict[str, dict[str, float]] = {}
    for heading, *rows in _tables(document.read_text()):
        if heading[0].startswith("skill"):
            cells = _by_column(heading, rows)
        elif heading[0] == "reference":
            skill = [row for row in rows if row[0] == "skill"]
            cells = [(task, REFERENCE, text) for task, _, text in _by_column(heading, skill)]
        elif "mean skill" in heading:
            cells = [(row[0], REFERENCE, row[heading.index("mean skill")]) for row in rows]
        else:
            continue
        values: dict[tuple[str, str], list[float]] = {}
        for task, method, text in cells:
            if (number := re.match(r"-?\d+\.\d+", text)) and not _NO_METHOD.search(method):
                name = task.strip("`")
                name = f"{name}_real" if real and not name.endswith("_real") else name
                values.setdefault((name, _named(method)), []).append(float(number[0]))
        for (name, method), numbers in values.items():
            skills.setdefault(name, {}).setdefault(method, mean(numbers))
    return skills


def _by_column(heading: list[str], rows: list[list[str]]) -> list[tuple[str, str, str]]:
    return [(task, row[0], text) for row in rows for task, text in zip(heading[1:], row[1:], strict=True)]


def _named(method: str) -> str:
    """The name of a method without its seed."""
    return REFERENCE if method.startswith("reference, seed") else method


def _tables(text: str) -> Iterator[list[list[str]]]:
    """Every pipe table, its heading first, its rule left out."""
    for block in re.findall(r"(?:^\|.*\n?)+", text, re.MULTILINE):
        rows = [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in block.splitlines()]
        yield [row for row in rows if not set("".join(row)) <= set(":- ")]
