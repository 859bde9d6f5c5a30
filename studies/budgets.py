"""What reference solutions reach in laboratories: skill against budget, for the levels that have one.

    python -m studies.budgets --tasks circuits/ioi_3 --shares 0.25,0.5,1,2 --instances 5 --write

A budget is a share of the level's own. Everything else that the level grants stays as it is.
"""

from __future__ import annotations

import argparse
import atexit
import statistics
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from pydantic import TypeAdapter

from scribe_suite.errors import SuiteError
from scribe_suite.paths import suite_root
from scribe_suite.planting.reference import reference_answer
from scribe_suite.plugin.worker.laboratories import Laboratories
from scribe_suite.sandbox.probing import probe_isolation
from scribe_suite.tasks.registry import default_registry
from scribe_suite.text import by_last_number, with_table
from studies.instances import measured_instances

RECORD = "studies/budgets.json"
DOCUMENT = "docs/reference/budgets.md"
MARKERS = ("<!-- tables: written by studies/budgets.py -->", "<!-- end of tables -->")
SHARES = (0.25, 0.5, 0.75, 1.0, 1.5)
#: Far from the seeds that other studies and certificates use.
FIRST_SEED = 71_000
#: Seconds that one solution may take on a busy machine.
TIMEOUT_S = 1800.0


@dataclass(frozen=True)
class Reached:
    """What a solution reached on one instance.

    Attributes:
        skill: Of its answer; 0 where it gave none.
        spent: Of the budget.
    """

    skill: float
    spent: int


@dataclass(frozen=True)
class Curve:
    """Skill against budget, at one level of a task.

    Attributes:
        version: Of the task.
        budget: Of the level.
        unit: What it counts.
        reached: Budget -> what was reached on each instance; the same instances for all budgets.
    """

    version: int
    budget: int
    unit: str
    reached: Mapping[int, Sequence[Reached]]


_RECORD = TypeAdapter(dict[str, Curve])


def read_record(root: Path) -> dict[str, Curve]:
    """Task id -> what was measured of it; empty when nothing was."""
    path = root / RECORD
    return _RECORD.validate_json(path.read_bytes()) if path.exists() else {}


def write_record(root: Path, record: Mapping[str, Curve]) -> None:
    """Keep what was measured, and show it in the document."""
    ordered = {name: record[name] for name in sorted(record, key=by_last_number)}
    (root / RECORD).write_bytes(_RECORD.dump_json(ordered, indent=1) + b"\n")
    path = root / DOCUMENT
    path.write_text(with_table(path.read_text(), MARKERS, tables(ordered)))


def tables(record: Mapping[str, Curve]) -> str:
    """A table for each family, in Markdown: a line for each budget of each level."""
    families = dict.fromkeys(name.partition("/")[0] for name in record)
    return "\n\n".join(
        _table(family, {name: curve for name, curve in record.items() if name.startswith(f"{family}/")})
        for family in families
    )


def _table(family: str, curves: Mapping[str, Curve]) -> str:
    lines = [
        f"### {family}",
        "",
        "| task | budget | instances | mean skill | solved at 0.8 | mean spend |",
        "|---|--:|--:|--:|--:|--:|",
    ]
    for name, curve in curves.items():
        for budget, found in sorted(curve.reached.items()):
            skills = [one.skill for one in found]
            cells = (
                f"`{name}`",
                f"**{budget:,}**" if budget == curve.budget else f"{budget:,}",
                len(found),
                f"{statistics.mean(skills):z.2f}",
                sum(skill >= 0.8 for skill in skills),
                f"{statistics.mean(one.spent for one in found):,.0f} {curve.unit}s",
            )
            lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines)


@cache
def _laboratories() -> Laboratories:
    """Of this process."""
    made = Laboratories(probe_isolation("none"), ())
    atexit.register(made.close)
    return made


def measure_instance(task_id: str, seed: int) -> Reached:
    """Run the reference solution of one instance.

    Args:
        task_id: With ``@BUDGET`` behind it.
        seed: Of the instance.
    """
    name, _, budget = task_id.partition("@")
    instance = default_registry()[name].with_budget(int(budget)).instance(seed)
    with tempfile.TemporaryDirectory(prefix="scribe-budgets-") as folder:
        outputs = Path(folder) / f"attempt{seed}" / "outputs"
        outputs.mkdir(parents=True)
        with _laboratories().desk(instance, outputs) as desk:
            assert desk is not None
            try:
                answer = reference_answer(suite_root(), instance, TIMEOUT_S, desk)
                skill = instance.task.score(instance, answer).skill
            except SuiteError as error:
                print(f"{task_id} {seed}: {error}", file=sys.stderr)
                skill = 0.0
            return Reached(round(skill, 4), desk.status().spent)


def survey(tasks: Iterable[str], shares: Sequence[float], instances: int, jobs: int) -> dict[str, Curve]:
    """Measure some levels.

    Raises:
        ConfigurationError: When there is no such task.
        ValueError: When one of them has no laboratory.
    """
    registry = default_registry()
    budgets: dict[str, list[int]] = {}
    for name in tasks:
        terms = registry[name].terms
        if terms is None:
            raise ValueError(f"{name} has no laboratory: name a level that has one, such as {name}_2")
        budgets[name] = sorted({max(1, round(share * terms.budget)) for share in shares})
    seeds = {
        f"{name}@{budget}": range(FIRST_SEED, FIRST_SEED + instances) for name in budgets for budget in budgets[name]
    }
    found = dict(measured_instances(measure_instance, seeds, jobs))
    curves = {}
    for name, several in budgets.items():
        task = registry[name]
        terms = task.terms
        assert terms is not None
        unit = "prompt" if task.source == "planted" else "token"
        reached = {budget: found[f"{name}@{budget}"] for budget in several}
        curves[name] = Curve(task.version, terms.budget, unit, reached)
    return curves


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, and print or keep what was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    every = [facts.id for facts in default_registry().facts.values() if facts.access == "lab"]
    parser.add_argument("--tasks", nargs="*", default=every, metavar="FAMILY/NAME_LEVEL", help="default: all levels")
    parser.add_argument(
        "--shares",
        type=lambda text: tuple(map(float, text.split(","))),
        default=SHARES,
        metavar="LIST",
        help="of the level's budget",
    )
    parser.add_argument("--instances", type=int, default=5)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--write", action="store_true", help=f"keep the record and write the tables of {DOCUMENT}")
    options = parser.parse_args(argv)
    root = suite_root()
    for name in options.tasks:  # what is finished is kept
        curves = survey([name], options.shares, options.instances, options.jobs)
        if options.write:
            write_record(root, {**read_record(root), **curves})
        else:
            print(tables(curves), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
