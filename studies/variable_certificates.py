"""The certificates of all base models of a family: the value nearest to its bar, for each kind of check and level.

    python -m studies.variable_certificates                               # those of variables; prints
    python -m studies.variable_certificates --write                       # and into docs/truth/variables.md
    python -m studies.variable_certificates --family steering --write     # and into docs/truth/steering.md

Nothing is measured: the values are those that are stored with the base models, and that tests measure again.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator, Mapping, Sequence

from scribe_suite.paths import suite_root
from scribe_suite.planting.frozen import Check, frozen_folder, list_frozen, load_frozen
from scribe_suite.tasks.registry import default_registry
from scribe_suite.tasks.task import PlantedTask
from scribe_suite.text import by_last_number, with_table

DOCUMENTS = {"steering": "docs/truth/steering.md", "variables": "docs/truth/variables.md"}
MARKERS = ("<!-- certificates: written by studies/variable_certificates.py -->", "<!-- end of certificates -->")


_SIGNS = {">=": "≥", "<=": "≤"}


def kind_of(name: str) -> str:
    """The name of a check without the number of a variable or the positions of a sum."""
    return "/".join("n" if re.match(r"\d", part) else part for part in name.split("/"))


def nearest(checks: Sequence[Check]) -> Mapping[str, Check]:
    """Kind of check -> the one that is nearest to its bar or farthest beyond it."""
    found: dict[str, Check] = {}
    for check in checks:
        known = found.get(kind_of(check.name))
        if known is None or (check.value < known.value) == (check.direction == ">="):
            found[kind_of(check.name)] = check
    return found


def levels(family: str) -> Iterator[PlantedTask]:
    """All levels of a family that have base models of their own."""
    seen = set()
    ids = (facts.id for facts in default_registry().facts.values() if facts.family == family)
    for task_id in sorted(ids, key=by_last_number):
        task = default_registry()[task_id]
        if isinstance(task, PlantedTask) and task.models_id not in seen:
            seen.add(task.models_id)
            yield task


def table(family: str) -> str:
    """A row for each task and kind of check: for each level, the value nearest to the bar, and how many there are."""
    rows: dict[tuple[str, str, str], dict[int, str]] = {}
    for task in levels(family):
        models = [load_frozen(path, task) for path in list_frozen(frozen_folder(task))]
        checks = [check for model in models for check in model.record.certificate.checks]
        groups: dict[tuple[str, str], list[Check]] = {}
        for check in checks:
            groups.setdefault((kind_of(check.name), f"{_SIGNS[check.direction]} {check.bar:g}"), []).append(check)
        for (kind, bar), same in groups.items():
            value = nearest(same)[kind].value
            rows.setdefault((task.name, kind, bar), {})[task.level] = f"{value:z.3f} ({len(same)})"
    numbers = sorted({number for cells in rows.values() for number in cells})
    heading = ["of the base models of", "measured", "needed", *(f"level {number}" for number in numbers)]
    lines = ["| " + " | ".join(heading) + " |", "|---|---|---" + "|--:" * len(numbers) + "|"]
    for (name, kind, bar), cells in rows.items():
        values = " | ".join(cells.get(number, "-") for number in numbers)
        lines.append(f"| `{name}` | `{kind}` | {bar} | {values} |")
    return "\n".join(lines)


def main() -> None:
    """Print, and write where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--family", choices=sorted(DOCUMENTS), default="variables")
    parser.add_argument("--write", action="store_true", help="write the table in the family's document")
    options = parser.parse_args()
    text = table(options.family)
    print(text)
    if options.write:
        document = suite_root() / DOCUMENTS[options.family]
        document.write_text(with_table(document.read_text(), MARKERS, text))


if __name__ == "__main__":
    main()
