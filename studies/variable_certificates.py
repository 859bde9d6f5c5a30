"""The certificates of all base models with variables: the value nearest to its bar, for each kind of check and level.

    python -m studies.variable_certificates             # prints
    python -m studies.variable_certificates --write     # and into docs/truth/variables.md

Nothing is measured: the values are those that are stored with the base models, and that tests measure again.
"""

from __future__ import annotations

import argparse
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from scribe_suite.paths import suite_root
from scribe_suite.planting.frozen import Check, frozen_folder, list_frozen, load_frozen
from scribe_suite.tasks.registry import default_registry
from scribe_suite.tasks.task import PlantedTask
from scribe_suite.text import by_last_number, with_table

DOCUMENT = "docs/truth/variables.md"
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


def levels() -> Iterator[PlantedTask]:
    """All levels of the family that have base models of their own."""
    seen = set()
    ids = (facts.id for facts in default_registry().facts.values() if facts.family == "variables")
    for task_id in sorted(ids, key=by_last_number):
        task = default_registry()[task_id]
        if isinstance(task, PlantedTask) and task.models_id not in seen:
            seen.add(task.models_id)
            yield task


def table() -> str:
    """A row for each task and kind of check: for each level, the value nearest to the bar, and how many there are."""
    rows: dict[tuple[str, str, str], dict[int, str]] = {}
    for task in levels():
        models = [load_frozen(path, task) for path in list_frozen(frozen_folder(task))]
        checks = [check for model in models for check in model.record.certificate.checks]
        counts = Counter(kind_of(check.name) for check in checks)
        for kind, check in nearest(checks).items():
            bar = f"{_SIGNS[check.direction]} {check.bar:g}"
            rows.setdefault((task.name, kind, bar), {})[task.level] = f"{check.value:z.3f} ({counts[kind]})"
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
    parser.add_argument("--write", action="store_true", help=f"write the table in {DOCUMENT}")
    options = parser.parse_args()
    print(table())
    if options.write:
        document = suite_root() / DOCUMENT
        document.write_text(with_table(document.read_text(), MARKERS, table()))


if __name__ == "__main__":
    main()
