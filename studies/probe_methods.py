"""Scores of the reference recipes, other ways to fit a probe and cheap answers on the probe tasks, by place.

    python -m studies.probe_methods                                               # ten fresh instances per task
    python -m studies.probe_methods --tasks probes/grammar --instances 3          # one task
    python -m studies.probe_methods --instances 20 --jobs 2 --reference --write   # and into docs/truth/probes.md

The methods are in `studies.probe_finders`. An instance takes about ten seconds, twice that with the reference solution.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import mean

import numpy as np

from scribe_suite.paths import suite_root
from scribe_suite.planting.frozen import FrozenModel, load_all_frozen
from scribe_suite.planting.reference import reference_answer
from scribe_suite.scoring.probes import fit_probe
from scribe_suite.tasks.registry import default_registry
from scribe_suite.tasks.task import TaskInstance
from scribe_suite.text import with_table
from studies.instances import instance_options, measured_instances
from studies.probe_finders import CERTIFIED, DEFAULT, METHODS, Seen, method_skills, recipe

FIRST_SEED = 9000
DOCUMENT = "docs/truth/probes.md"
MARKERS = ("<!-- tables: written by studies/probe_methods.py -->", "<!-- end of tables -->")

#: One task per world -> the contents of the last positions of its statements.
SHOWN_PLACES: Mapping[str, tuple[str, ...]] = {
    "probes/greater_than": ("`than`", "second number", "`,`", "address", "ending"),
    "probes/cities": ("`in`", "country", "`,`", "address", "ending"),
    "probes/grammar": ("word before the verb", "verb", "`,`", "address", "ending"),
}


@dataclass(frozen=True)
class Referred:
    """The result of the reference notebook on one instance.

    Attributes:
        accuracy: The primary metric.
        skill: See `Score`.
    """

    accuracy: float
    skill: float


@dataclass(frozen=True)
class Measured:
    """The measurements on one instance.

    Attributes:
        skills: Method -> mean skill, None where the method does not apply to the task.
        ceiling: See `ceiling`.
        by_place: See `by_place`; empty for a task whose places are not shown.
        reference: None where it was not run.
    """

    skills: Mapping[str, float | None]
    ceiling: float
    by_place: Sequence[Sequence[float]]
    reference: Referred | None


def measure_instance(task_id: str, seed: int, *, with_reference: bool) -> Measured:
    """All measurements on one fresh instance."""
    instance = default_registry()[task_id].instance(seed)
    seen = Seen(instance)
    return Measured(
        skills=method_skills(seen),
        ceiling=ceiling(seen),
        by_place=by_place(seen, len(SHOWN_PLACES.get(task_id, ()))),
        reference=run_reference(instance) if with_reference else None,
    )


def ceiling(seen: Seen) -> float:
    """The primary metric of logistic regression with right labels, fitted on one half of the hidden groups at a time.

    It is scored on the other half; the result is the mean of both. Public statements are not used, because some tasks
    have wrong labels for them.
    """
    hidden, statements = seen.held_out.at(CERTIFIED), seen.held_out.statements
    groups = seen.rng.permutation(np.unique(statements.groups))
    half = np.isin(statements.groups, groups[: len(groups) // 2])
    reached = []
    for rows in (half, ~half):
        probe = fit_probe(hidden[rows], statements.labels[rows], DEFAULT)
        reached.append(seen.task.judged(probe, hidden[~rows], statements.labels[~rows]))
    return mean(reached)


def by_place(seen: Seen, positions: int) -> list[list[float]]:
    """The primary metric of the recipe after every block, at each of the last `positions` of a statement."""
    return [
        [seen.accuracy(recipe(seen, (block, position))[0], (block, position)) for position in range(-positions, 0)]
        for block in range(seen.model.cfg.n_layers)
    ]


def run_reference(instance: TaskInstance) -> Referred:
    """Run the reference notebook and score its answer."""
    score = instance.task.score(instance, reference_answer(suite_root(), instance))
    return Referred(score.metrics[score.primary], score.skill)


def measure(tasks: Sequence[str], instances: int, *, with_reference: bool, jobs: int) -> dict[str, list[Measured]]:
    """Fresh instances of every task, from `FIRST_SEED` on, in processes of one thread each."""
    seeds = dict.fromkeys(tasks, range(FIRST_SEED, FIRST_SEED + instances))
    return dict(measured_instances(partial(measure_instance, with_reference=with_reference), seeds, jobs))


def skill_table(found: Mapping[str, Sequence[Measured]]) -> str:
    """A row per method, a column per task: mean skill over the instances; below it the reference, where it was run."""
    rows = [
        _row(name, [_mean_or_none([one.skills[name] for one in measured]) for measured in found.values()])
        for name in METHODS
    ]
    ran = [[one.reference for one in measured if one.reference is not None] for measured in found.values()]
    if all(ran):
        ceilings = [[one.ceiling for one in measured] for measured in found.values()]
        shares = [
            mean(one.accuracy / most for one, most in zip(ones, mosts, strict=True))
            for ones, mosts in zip(ran, ceilings, strict=True)
        ]
        rows += [
            _row("reference notebook, lowest skill", [min(one.skill for one in ones) for ones in ran]),
            _row("reference notebook, accuracy, mean", [mean(one.accuracy for one in ones) for ones in ran]),
            _row("reference notebook, accuracy, lowest", [min(one.accuracy for one in ones) for ones in ran]),
            _row("ceiling, accuracy, mean", [mean(mosts) for mosts in ceilings]),
            _row("reference notebook, accuracy / ceiling, mean", shares),
        ]
    return "\n".join([*_head("skill", [_titled(task_id) for task_id in found]), *rows])


def place_table(task_id: str, measured: Sequence[Measured]) -> str:
    """A row per block, a column per position: mean accuracy of the reference recipe."""
    accuracies = np.mean([one.by_place for one in measured], axis=0)
    rows = [_row(f"block {block}", values) for block, values in enumerate(accuracies.tolist())]
    return "\n".join([*_head(f"{_titled(task_id)}, accuracy", SHOWN_PLACES[task_id]), *rows])


def certificates(tasks: Sequence[str]) -> str:
    """The worst of all base models: a row per check, a column per task; then a row per behaviour, a column per world.

    A dash marks checks that a task does not need and behaviours that a world's models were not trained on.
    """
    registry = default_registry()
    planted = [registry.planted(task_id) for task_id in tasks]
    task_of = {task.models_id: task for task in planted}
    models = {models_id: load_all_frozen(task) for models_id, task in task_of.items()}
    values = {models_id: worst(all_models) for models_id, all_models in models.items()}
    behaviours = {_titled(models_id): _below("behaviour", found) for models_id, found in values.items()}
    checks = {_titled(task.id): _checks_of(task.name, values[task.models_id]) for task in planted}
    counted = ", ".join(f"{len(found)} {models_id.split('/')[1]}" for models_id, found in models.items())
    return f"{_crossed(f'worst of {counted}', checks)}\n\n{_crossed('behaviour', behaviours)}"


def worst(models: Sequence[FrozenModel]) -> dict[str, float]:
    """Check -> the value that is nearest to its bar, or furthest beyond it, of several base models."""
    found: dict[str, list[float]] = {}
    chosen: dict[str, Callable[[Sequence[float]], float]] = {}
    for check in (check for model in models for check in model.record.certificate.checks):
        found.setdefault(check.name, []).append(check.value)
        chosen[check.name] = min if check.direction == ">=" else max
    return {name: chosen[name](values) for name, values in found.items()}


def _checks_of(task: str, values: Mapping[str, float]) -> dict[str, float]:
    """The checks of one task under names without it, its reference solution's last."""
    reference = _below("reference", values)
    return _below(task, values) | ({"reference": reference[task]} if task in reference else {})


def _below(first: str, values: Mapping[str, float]) -> dict[str, float]:
    """The values named ``first/...``, by the second part of the name."""
    return {name.split("/")[1]: value for name, value in values.items() if name.split("/")[0] == first}


def _crossed(title: str, columns: Mapping[str, Mapping[str, float]]) -> str:
    names = list(dict.fromkeys(name for column in columns.values() for name in column))
    rows = [_row(f"`{name}`", [column.get(name) for column in columns.values()]) for name in names]
    return "\n".join([*_head(title, list(columns)), *rows])


def _head(title: str, columns: Sequence[str]) -> list[str]:
    return [f"| {title} | {' | '.join(columns)} |", "|---|" + "--:|" * len(columns)]


def _row(title: str, values: Sequence[float | None]) -> str:
    return f"| {title} | {' | '.join('-' if value is None else f'{value:z.2f}' for value in values)} |"


def _titled(id_with_family: str) -> str:
    return f"`{id_with_family.split('/')[1]}`"


def _mean_or_none(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return mean(known) if known else None


def main() -> None:
    """Measure and print."""
    parser = instance_options(__doc__, "all probe tasks", 10)
    parser.add_argument("--reference", action="store_true", help="also run the reference solutions")
    parser.add_argument("--write", action="store_true", help=f"put the tables into {DOCUMENT}")
    options = parser.parse_args()
    tasks = options.tasks or [task.id for task in default_registry().of_family("probes", "planted")]
    found = measure(tasks, options.instances, with_reference=options.reference, jobs=options.jobs)
    places = [place_table(task_id, found[task_id]) for task_id in SHOWN_PLACES if task_id in found]
    parts = [
        f"Mean skill over {options.instances} fresh instances per task (seeds from {FIRST_SEED}).",
        skill_table(found),
        *(["Where the reference recipe finds the truth, over the same instances:", *places] if places else []),
        "What the base models' certificates say:",
        certificates(tasks),
    ]
    text = "\n\n".join(parts)
    print(text)
    if options.write:
        path = suite_root() / DOCUMENT
        path.write_text(with_table(path.read_text(), MARKERS, text))


if __name__ == "__main__":
    main()
