"""Skill per task of classifiers in a planted language model, fitted on other models.

    python -m studies.neuron_classifiers            # prints
    python -m studies.neuron_classifiers --write    # into the document

The inputs of a classifier are the statistics of `planting.neurons.signatures`, standardised within the layer, without
text or question. It is fitted on all base models but one and answers the questions of the held-out one, each with its
highest-scoring neurons, as many as the key has. The first table has classifiers with all statistics; the second has,
for each group of statistics, the best classifier, chosen with the results known. The study takes about four CPU
minutes.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import mean
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float

from scribe_suite.paths import suite_root
from scribe_suite.planting.circuits.signatures.table import GROUPS, Group
from scribe_suite.planting.frozen import FrozenModel
from scribe_suite.scoring.sets import f1
from scribe_suite.text import with_table
from studies.classifiers import CLASSIFIERS, features
from studies.neuron_signatures import language_models, tables_of

DOCUMENT = "docs/truth/neurons.md"
MARKERS = ("<!-- classifiers: written by studies/neuron_classifiers.py -->", "<!-- end of classifiers -->")


@dataclass(frozen=True)
class Asked:
    """One question to a base model.

    Attributes:
        name: The question's name, such as ``position/band 17-26``.
        key: The neurons in its key.
    """

    name: str
    key: frozenset[str]

    @property
    def task(self) -> str:
        """The task that asks it."""
        return self.name.partition("/")[0]

    @property
    def form(self) -> str:
        """The form of the question, shared by similar questions: a shape, a sign, a place, a letter or a word."""
        return self.name.partition(" ")[0]


#: Whether to fit on a question in another model, given the question to be answered.
TRAININGS: Mapping[str, Callable[[Asked, Asked], bool]] = {
    "other tasks": lambda learned, asked: learned.task != asked.task,
    "the same task": lambda learned, asked: learned.task == asked.task,
    "the same form of question": lambda learned, asked: learned.form == asked.form,
}


#: Training and classifier -> task -> F1, mean over the questions of all models.
Scores = Mapping[tuple[str, str], Mapping[str, float]]


@dataclass(frozen=True)
class Seen:
    """A base model as seen by a classifier.

    Attributes:
        neurons: Names, layer by layer.
        features: Group of statistics -> statistics of every neuron.
        questions: The questions that have neurons.
    """

    neurons: tuple[str, ...]
    features: Mapping[Group, Float[np.ndarray, "neuron column"]]
    questions: tuple[Asked, ...]

    @classmethod
    def of(cls, model: FrozenModel) -> Seen:
        """The statistics and questions of a frozen language model."""
        tables = tables_of(model).values()
        named = model.record.key["questions"].items()
        return cls(
            neurons=tuple(neuron for table in tables for neuron in table.nodes),
            features={group: np.concatenate([features(table, [group]) for table in tables]) for group in GROUPS},
            questions=tuple(Asked(name, frozenset(asked["key"])) for name, asked in named if asked["key"]),
        )

    def of_groups(self, groups: Sequence[Group]) -> Float[np.ndarray, "neuron column"]:
        """The features of a classifier that sees some groups of statistics."""
        return np.concatenate([self.features[group] for group in groups], 1)

    def truth(self, key: frozenset[str]) -> Bool[np.ndarray, " neuron"]:
        """Mask of the neurons in a key."""
        return np.array([neuron in key for neuron in self.neurons], dtype=bool)


def scores(models: Sequence[Seen], groups: Sequence[Group]) -> Scores:
    """The skill of classifiers that see some groups of statistics."""
    found: dict[tuple[str, str], dict[str, list[float]]] = {
        (training, classifier): {} for training in TRAININGS for classifier in CLASSIFIERS
    }
    for held_out in models:
        rest = [model for model in models if model is not held_out]
        x, unseen = np.concatenate([model.of_groups(groups) for model in rest]), held_out.of_groups(groups)
        for training, is_learned in TRAININGS.items():
            fitted: dict[tuple[str, bytes], Any] = {}
            for asked in held_out.questions:
                y = np.concatenate([model.truth(_learned(model, asked, is_learned)) for model in rest])
                if not y.any():  # no other model has such a question
                    continue
                for classifier, fresh in CLASSIFIERS.items():
                    known = (classifier, y.tobytes())
                    if known not in fitted:
                        fitted[known] = fresh().fit(x, y).decision_function(unseen)
                    answer = _best(held_out, fitted[known], len(asked.key))
                    found[training, classifier].setdefault(asked.task, []).append(f1(answer, asked.key))
    return {way: {task: mean(values) for task, values in by_task.items()} for way, by_task in found.items()}


def _learned(model: Seen, asked: Asked, is_learned: Callable[[Asked, Asked], bool]) -> frozenset[str]:
    return frozenset().union(*(question.key for question in model.questions if is_learned(question, asked)))


def _best(model: Seen, liking: Float[np.ndarray, " neuron"], count: int) -> frozenset[str]:
    return frozenset(model.neurons[i] for i in np.argsort(-liking, kind="stable")[:count])


def tables(models: Sequence[Seen]) -> str:
    """A row per training and classifier and a row per group of statistics, a column per task."""
    found = scores(models, GROUPS)
    tasks = sorted({task for by_task in found.values() for task in by_task})
    titles = [f"`{task}`" for task in tasks]
    ways = [[*way, *_numbers([by_task.get(task) for task in tasks])] for way, by_task in found.items()]
    ways.append(["the best in hindsight", "", *_numbers(_best_of(found, tasks))])
    groups = [[group, *_numbers(_best_of(scores(models, [group]), tasks))] for group in GROUPS]
    return "\n\n".join(
        [
            _table(["fitted on the answers of", "classifier", *titles], ways, 2),
            _table(["sees only", *titles], groups, 1),
        ]
    )


def _best_of(found: Scores, tasks: Sequence[str]) -> list[float]:
    return [max(by_task.get(task, 0.0) for by_task in found.values()) for task in tasks]


def _numbers(values: Sequence[float | None]) -> list[str]:
    return ["-" if value is None else f"{value:.2f}" for value in values]


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], names: int) -> str:
    """A Markdown table; the first `names` columns contain names, the others numbers."""
    rule = "|" + "---|" * names + "--:|" * (len(head) - names)
    lines = [f"| {' | '.join(cells)} |" for cells in (head, *rows)]
    return "\n".join([lines[0], rule, *lines[1:]])


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help=f"put the table into {DOCUMENT}")
    options = parser.parse_args()
    torch.set_num_threads(1)
    found = tables([Seen.of(model) for model in language_models().values()])
    print(found)
    if options.write:
        page = suite_root() / DOCUMENT
        page.write_text(with_table(page.read_text(), MARKERS, found))


if __name__ == "__main__":
    main()
