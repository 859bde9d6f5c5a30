"""The best constant answer, chosen with knowledge of the right answers of all instances.

The chosen constants are valid answers: at most as many neurons as the task asks for, one role for a component. All
instances of a task on a real language model are about the same model. There a constant is one answer for all questions;
a list with a different answer for every question would be knowledge of the model, and right.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from scribe_suite.scoring.neuron_share import top
from scribe_suite.scoring.sets import Role, best_fixed_set, signed, unsigned
from scribe_suite.tasks.task import Task, TaskInstance
from studies.constant_answers.policies import Content, made_of

#: Maximum number of neurons of an answer to a question about a real model.
_MOST_PLACES = 6
_ROLES: Mapping[str, Role] = {"+": "supports", "-": "suppresses"}


class Hindsight:
    """Collects the right answers of all instances, and then returns the constants that are best over all of them.

    Args:
        task: The task of the instances.
    """

    def __init__(self, task: Task) -> None:
        self._real_neurons = task.source == "real" and "rve_share" in task.metrics  # `explain_real` has no statistic
        self._keys: list[frozenset[str]] = []
        self._added: np.ndarray | float = 0.0
        self._best: dict[str, list[int]] = {}
        self._signed = False

    def see(self, instance: TaskInstance, oracle: Mapping[str, Any]) -> None:
        """Add one instance and its right answer."""
        if self._real_neurons:
            self._see_statistics(instance)
            return
        self._signed = "roles" in oracle
        content = oracle.get("roles", oracle.get("components", oracle.get("edges", oracle.get("neurons"))))
        if self._signed:
            self._keys.append(signed(oracle["roles"]))
        elif isinstance(content, list):
            self._keys.append(frozenset(content))

    def candidates(self, instance: TaskInstance) -> dict[str, Content]:
        """Candidates for the best constant, by name, as answers to an instance; the same for all instances."""
        if self._real_neurons:
            return {name: _of_columns(instance, columns) for name, columns in self._columns.items()}
        if not self._keys:
            return {}
        chosen = self._chosen
        if self._signed:
            return {"fixed": {"roles": {unsigned(one): _ROLES[one[-1]] for one in sorted(chosen)}}}
        return {"fixed": made_of(instance, sorted(chosen))}

    @cached_property
    def _chosen(self) -> frozenset[str]:
        """The best set, computed on first use, when all instances have been seen."""
        return best_fixed_set(self._keys, unsigned if self._signed else str)

    def _see_statistics(self, instance: TaskInstance) -> None:
        asked = instance.hidden.asked
        way = sum(one.reference - one.untrained for one in asked)
        self._added = self._added + np.sum([one.statistic for one in asked], axis=0) / way
        for one in asked:
            self._best.setdefault(one.name, top(one.statistic, _MOST_PLACES))

    @cached_property
    def _columns(self) -> Mapping[str, Sequence[int]]:
        best = {f"fixed, best for {name}": columns for name, columns in self._best.items()}
        return {"fixed": top(np.asarray(self._added), _MOST_PLACES), **best}


def _of_columns(instance: TaskInstance, columns: Sequence[int]) -> Content:
    """The first neurons of a list, as many as an answer may have; the same one for all letters."""
    task: Any = instance.task
    names = [task.neuron(column) for column in columns]
    facts = instance.answer_schema.facts
    if "letters" in facts:
        return made_of(instance, names[:1] * len(facts["letters"]))
    return made_of(instance, names[: facts["max_neurons"]])
