"""Scores constant answers over many instances with the tasks' scorers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from statistics import fmean
from typing import Any

from scribe_suite.tasks.task import Task, TaskInstance
from studies.constant_answers.hindsight import Hindsight
from studies.constant_answers.light import has_light_instances, light_instance
from studies.constant_answers.places import constant_probes, place_skills
from studies.constant_answers.policies import Content, answer_of, constants, content_of
from studies.constant_answers.record import Survey

#: The instances' first seed; no measurement of chance uses seeds from here on.
FIRST_SEED = 5000
#: Family -> number of instances on which a claim about a real model is scored: each costs a run of all hidden texts.
PROBED: Mapping[str, int] = {"probes": 4, "variables": 2}
_PREVIOUS = "previous"


def survey(task: Task, instances: int) -> Survey:
    """The mean skill of every constant over fresh instances.

    Args:
        task: The task; one on a real language model must be available.
        instances: Number of instances, from `FIRST_SEED` on; see `PROBED` for the exception.
    """
    found: dict[str, list[float]] = {}
    for skills in _skills(task, instances):
        for name, skill in skills.items():
            found.setdefault(name, []).append(skill)
    # only answers that all instances accept are constants; the first instance has no previous one
    counts = {instances, min(instances, PROBED[task.family])} if _is_dear(task) else {instances}
    means = {
        name: round(fmean(values), 4) for name, values in found.items() if len(values) + (name == _PREVIOUS) in counts
    }
    return Survey(version=task.version, instances=instances, skills=means)


def is_remembered(task: Task) -> bool:
    """Whether an answer that is right for one instance is right for many: repeating it is then knowledge of the model.

    This holds for the rankings of a real language model, one per behaviour, and for its probes and subspaces of a few
    questions.
    """
    return task.source == "real" and task.family in ("circuits", "probes", "variables")


def _is_dear(task: Task) -> bool:
    return task.source == "real" and task.family in ("probes", "variables")


def _skills(task: Task, count: int) -> Iterator[dict[str, float]]:
    """The skill of every constant, instance by instance."""
    hindsight = Hindsight(task)
    drawn: Iterable[TaskInstance] = _drawn(task, count)
    if task.family != "probes" and not is_remembered(task):
        drawn = list(drawn)
        for instance in drawn:
            hindsight.see(instance, task.oracle_answer(instance))
    previous: Mapping[str, Any] | None = None
    for number, instance in enumerate(drawn):
        tried: dict[str, Content] = {**constants(instance), **hindsight.candidates(instance)}
        found: dict[str, float] = {}
        if task.family == "probes":
            tried |= constant_probes(instance)
            found = place_skills(instance) if task.source == "planted" else {}
        if previous is not None:
            tried[_PREVIOUS] = content_of(previous, instance)
        if not is_remembered(task):
            previous = task.oracle_answer(instance)
        for name, content in tried.items():
            answer = answer_of(instance, content)
            too_dear = _is_dear(task) and number >= PROBED[task.family]
            if answer is not None and (answer.says_nothing_found() or not too_dear):
                found[name] = task.score(instance, answer).skill
        yield found


def _drawn(task: Task, count: int) -> Iterator[TaskInstance]:
    seeds = range(FIRST_SEED, FIRST_SEED + count)
    if not has_light_instances(task):
        yield from map(task.instance, seeds)
        return
    template = task.instance(FIRST_SEED)
    for seed in seeds:
        yield light_instance(template, seed)
