"""Skill of reference solutions against the laboratory's budget, for the levels that have one.

    python -m studies.budgets --tasks circuits/ioi_3 --shares 0.25,0.5,1,2 --instances 5 --write

A budget is a share of the level's own; the level's other terms are unchanged. With ``--write``, each run is stored when
it ends, and is not repeated while the task, its solution and the level's terms are unchanged, so an interrupted study
can be continued. A run that failed because of the machine is not recorded.

What was measured under other conditions stays in the record and in the tables, marked as such, until the same budget
has been measured again. ``--restate`` looks for it without measuring anything; a test asks for that where a task or its
solution has changed.
"""

from __future__ import annotations

import argparse
import atexit
import hashlib
import json
import statistics
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import TypeAdapter

from scribe_suite.errors import InfrastructureError, SuiteError
from scribe_suite.paths import suite_root
from scribe_suite.planting.reference import UnfinishedSolutionError, reference_answer
from scribe_suite.plugin.worker.laboratories import Laboratories
from scribe_suite.sandbox.probing import probe_isolation
from scribe_suite.tasks.registry import default_registry
from scribe_suite.tasks.solutions import solution_text
from scribe_suite.tasks.task import PlantedTask, TaskInstance
from scribe_suite.text import by_last_number, with_table
from studies.instances import measured_units

if TYPE_CHECKING:
    from scribe_suite.laboratory.desk import Desk

RECORD = "studies/budgets.json"
DOCUMENT = "docs/reference/budgets.md"
MARKERS = ("<!-- tables: written by studies/budgets.py -->", "<!-- end of tables -->")
SHARES = (0.25, 0.5, 0.75, 1.0, 1.5)
#: Below the tables, where they have rows of other conditions.
_MARK = (
    "¹ Not of today: the task, its solution or the terms of its laboratory have changed since. The number is that of "
    "the task's version then."
)
#: Below the tables, before the names of levels.
_OPEN = "Not measured at their own budget, or not since they changed: "
#: The first seed, far from the seeds of other studies and certificates.
FIRST_SEED = 71_000
#: Time limit of one solution on a busy machine, in seconds.
TIMEOUT_S = 4 * 3600.0


@dataclass(frozen=True)
class Reached:
    """The result of a solution on one instance.

    Attributes:
        skill: The skill of its answer; 0 where it submitted none.
        spent: The amount of the budget that was used.
    """

    skill: float
    spent: int


@dataclass(frozen=True)
class Earlier:
    """What was reached at one budget under other conditions than today's.

    Attributes:
        version: The task's version then.
        reached: The result on each instance.
    """

    version: int
    reached: Sequence[Reached]


@dataclass(frozen=True)
class Curve:
    """Skill against budget, at one level of a task.

    Attributes:
        version: The task's version.
        budget: The level's budget.
        unit: The budget's unit.
        reached: Budget -> the result on each instance, from `FIRST_SEED` on; the same instances for all budgets.
        conditions: A hash of the conditions of the measurement: see `empty_curve`. Empty where it was not stored.
        earlier: Budget -> what was reached under other conditions, where that budget has not been measured since.
    """

    version: int
    budget: int
    unit: str
    reached: Mapping[int, Sequence[Reached]]
    conditions: str = ""
    earlier: Mapping[int, Earlier] = field(default_factory=dict)


_RECORD = TypeAdapter(dict[str, Curve])


def read_record(root: Path) -> dict[str, Curve]:
    """Task id -> its measured curve; empty when nothing was measured."""
    path = root / RECORD
    return _RECORD.validate_json(path.read_bytes()) if path.exists() else {}


def write_record(root: Path, record: Mapping[str, Curve]) -> None:
    """Store the measurements, and write them to the document."""
    ordered = {name: record[name] for name in sorted(record, key=by_last_number)}
    (root / RECORD).write_bytes(_RECORD.dump_json(ordered, indent=1) + b"\n")
    path = root / DOCUMENT
    path.write_text(with_table(path.read_text(), MARKERS, tables(ordered, laboratory_levels())))


def laboratory_levels() -> list[str]:
    """The ids of all levels that have a laboratory."""
    return [facts.id for facts in default_registry().facts.values() if facts.access == "lab"]


def with_shared_points(record: Mapping[str, Curve]) -> dict[str, Curve]:
    """A record in which levels of a task that differ only in their budget share their points.

    Where the smaller budget is known to suffice, a generous level needs no separate run at that budget.
    """
    shared: dict[tuple[str, str], dict[int, list[Reached]]] = {}
    for name, curve in record.items():
        points = shared.setdefault((name.rpartition("_")[0], curve.conditions or name), {})
        for budget, found in curve.reached.items():
            points.setdefault(budget, []).extend(found)
    return {
        name: replace(curve, reached=shared[name.rpartition("_")[0], curve.conditions or name])
        for name, curve in record.items()
    }


def tables(record: Mapping[str, Curve], levels: Sequence[str] = ()) -> str:
    """A table for each family, in Markdown: a line for each budget of each level.

    Args:
        record: The measurements.
        levels: All levels, to name those that have not been measured at their own budget.
    """
    record = with_shared_points(record)
    families = dict.fromkeys(name.partition("/")[0] for name in record)
    parts = [
        _table(family, {name: curve for name, curve in record.items() if name.startswith(f"{family}/")})
        for family in families
    ]
    if any(curve.earlier for curve in record.values()):
        parts.append(_MARK)
    if still_open := [name for name in levels if name not in record or record[name].budget not in record[name].reached]:
        parts.append(_OPEN + ", ".join(f"`{name}`" for name in sorted(still_open, key=by_last_number)) + ".")
    return "\n\n".join(parts)


def _table(family: str, curves: Mapping[str, Curve]) -> str:
    lines = [
        f"### {family}",
        "",
        "| task | budget | version | instances | mean skill | solved at 0.8 | mean spend |",
        "|---|--:|--:|--:|--:|--:|--:|",
    ]
    for name, curve in curves.items():
        rows = {budget: (f"{one.version} ¹", one.reached) for budget, one in curve.earlier.items()}
        rows |= {budget: (f"{curve.version}", found) for budget, found in curve.reached.items()}
        for budget, (version, found) in sorted(rows.items()):
            skills = [one.skill for one in found]
            cells = (
                f"`{name}`",
                f"**{budget:,}**" if budget == curve.budget else f"{budget:,}",
                version,
                len(found),
                f"{statistics.mean(skills):z.2f}",
                sum(skill >= 0.8 for skill in skills),
                f"{statistics.mean(one.spent for one in found):,.0f} {curve.unit}s",
            )
            lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines)


@cache
def _laboratories() -> Laboratories:
    """The laboratories of this process."""
    made = Laboratories(probe_isolation("none"), ())
    atexit.register(made.close)
    return made


@lru_cache(maxsize=1)
def _instance(name: str, seed: int) -> TaskInstance:
    """The instance, cached for the other budgets: the evaluator's measurements of a real model take minutes."""
    return default_registry()[name].instance(seed)


def measure_instance(task_id: str, seed: int) -> Reached | None:
    """Run the reference solution of one instance.

    Args:
        task_id: The task's id, followed by ``@BUDGET``.
        seed: The instance's seed.

    Returns:
        The result, or None when the machine failed, which reveals nothing about the solution.
    """
    name, _, budget = task_id.partition("@")
    instance = _instance(name, seed)
    instance = replace(instance, task=instance.task.with_budget(int(budget)))
    with tempfile.TemporaryDirectory(prefix="scribe-budgets-") as folder:
        outputs = Path(folder) / f"attempt{seed}" / "outputs"
        outputs.mkdir(parents=True)
        try:
            with _laboratories().desk(instance, outputs) as desk:
                assert desk is not None
                skill = _skill(instance, desk)
                status = desk.status()
        except (InfrastructureError, UnfinishedSolutionError) as error:
            print(f"{task_id} {seed}: {error}", file=sys.stderr)
            return None
    if status.failed or status.infrastructure_error:
        print(f"{task_id} {seed}: the laboratory failed; {status.infrastructure_error}", file=sys.stderr)
        return None
    return Reached(round(skill, 4), status.spent)


def _skill(instance: TaskInstance, desk: Desk) -> float:
    """The skill of the solution's answer; 0 where it has no valid one.

    Raises:
        InfrastructureError: If the failure is not the solution's.
        UnfinishedSolutionError: If it takes too long.
    """
    try:
        answer = reference_answer(suite_root(), instance, TIMEOUT_S, desk)
        score = instance.task.score(instance, answer)
    except (InfrastructureError, UnfinishedSolutionError):
        raise
    except SuiteError as error:
        print(f"{instance.task.id} {instance.seed}: {error}", file=sys.stderr)
        return 0.0
    print(
        f"{instance.task.id} {instance.seed}: {' '.join(score.notes)}\n  {answer.summary}", file=sys.stderr, flush=True
    )
    return score.skill


def empty_curve(task_id: str, root: Path) -> Curve:
    """A level's curve without measurements, with the current conditions.

    Raises:
        ConfigurationError: If there is no such task.
        ValueError: If it has no laboratory.
    """
    task = default_registry()[task_id]
    if task.terms is None:
        raise ValueError(f"{task_id} has no laboratory: name a level that has one, such as {task_id}_2")
    granted = task.terms.model_copy(update={"budget": 0}).told()  # all but the budget
    # base models of its own, without which it would share points with the other levels of its laboratory
    own = task.models_id if isinstance(task, PlantedTask) and task.models_id != _usual_models(task) else None
    facts = [task.version, solution_text(root, task), granted, *([own] if own else [])]
    conditions = json.dumps(facts, sort_keys=True)
    unit = "prompt" if task.source == "planted" else "token"
    return Curve(task.version, task.terms.budget, unit, {}, hashlib.sha256(conditions.encode()).hexdigest()[:16])


def _usual_models(task: PlantedTask) -> str:
    """The base models of a laboratory's level: those of level 1, unless the task says otherwise."""
    return f"{task.family}/{task.models or task.name}"


def restated(curve: Curve | None, empty: Curve) -> Curve:
    """What a record has of a level, with what was measured under other conditions than today's as earlier.

    Args:
        curve: The level's entry, or None.
        empty: Its `empty_curve`.
    """
    if curve is None:
        return empty
    if curve.conditions == empty.conditions:
        return replace(curve, budget=empty.budget)
    measured = {budget: Earlier(curve.version, found) for budget, found in curve.reached.items()}
    return replace(empty, earlier={**curve.earlier, **measured})


def restated_record(record: Mapping[str, Curve], root: Path) -> dict[str, Curve]:
    """The record as `restated` says; levels that are no more are left out."""
    facts = default_registry().facts
    known = [name for name in record if name in facts and facts[name].access == "lab"]
    return {name: restated(record[name], empty_curve(name, root)) for name in known}


def missing(
    record: Mapping[str, Curve], empty: Mapping[str, Curve], shares: Sequence[float], instances: int
) -> list[tuple[str, int]]:
    """The runs missing in a record, as arguments of `measure_instance`; all first instances precede the second ones.

    Args:
        record: The existing measurements.
        empty: The `empty_curve` of each requested level.
        shares: The shares of its budget at which to measure.
        instances: Number of instances for each share.
    """
    found = []
    for name, curve in empty.items():
        reached = restated(record.get(name), curve).reached
        for budget in sorted({max(1, round(share * curve.budget)) for share in shares}):
            numbers = range(len(reached.get(budget, ())), instances)
            found += [(f"{name}@{budget}", FIRST_SEED + number) for number in numbers]
    return sorted(found, key=lambda unit: unit[1])


def extended(record: Mapping[str, Curve], empty: Mapping[str, Curve], task_id: str, one: Reached) -> dict[str, Curve]:
    """A record with one more run, instead of what other conditions gave at its budget.

    Args:
        record: The record, which is not modified.
        empty: As for `missing`; the conditions are those at the start of the study, although solutions may change.
        task_id: As for `measure_instance`.
        one: The result on the next instance.
    """
    name, _, text = task_id.partition("@")
    budget, curve = int(text), restated(record.get(name), empty[name])
    reached = {**curve.reached, budget: [*curve.reached.get(budget, ()), one]}
    earlier = {other: found for other, found in curve.earlier.items() if other != budget}
    return {**record, name: replace(curve, reached=reached, earlier=earlier)}


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, and print or store the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--tasks", nargs="*", default=laboratory_levels(), metavar="FAMILY/NAME_LEVEL", help="default: all levels"
    )
    parser.add_argument(
        "--shares",
        type=lambda text: tuple(map(float, text.split(","))),
        default=SHARES,
        metavar="LIST",
        help="of the level's budget",
    )
    parser.add_argument("--instances", type=int, default=5)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument(
        "--write",
        action="store_true",
        help=f"add what the record lacks, after each run, and to the tables of {DOCUMENT}",
    )
    parser.add_argument(
        "--restate",
        action="store_true",
        help="measure nothing: mark in record and tables what is not of today's version",
    )
    options = parser.parse_args(argv)
    root = suite_root()
    if options.restate:
        write_record(root, restated_record(read_record(root), root))
        return 0
    record = read_record(root) if options.write else {}
    empty = {name: empty_curve(name, root) for name in options.tasks}
    todo = missing(record, empty, options.shares, options.instances)
    lost: list[str] = []
    for (task_id, seed), one in measured_units(measure_instance, todo, options.jobs):
        if one is None or task_id in lost:  # the index in the list identifies an instance, so gaps are impossible
            lost.append(task_id)
            continue
        print(f"{task_id} {seed}: skill {one.skill:.2f}, spent {one.spent:,}", file=sys.stderr, flush=True)
        record = extended(read_record(root) if options.write else record, empty, task_id, one)
        if options.write:
            write_record(root, record)
    if not options.write:
        print(tables(record))
    if lost:
        print(f"{len(lost)} of {len(todo)} runs were not measured: give the command again", file=sys.stderr)
    return 1 if lost else 0


if __name__ == "__main__":
    sys.exit(main())
