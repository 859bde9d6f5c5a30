"""Graded answers and methods of known order for tasks with planted neurons."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import replace
from typing import cast

from ground_truth.neurons.planted.hidden import Hidden
from scribe_suite.seeds import derive_seed
from scribe_suite.tasks.task import TaskInstance
from studies.graded.material import DRAWS, Content, GradedContent, Material, graded_sets
from studies.neuron_methods import CARELESS, Chosen, Seen, above_value

#: Number of draws of a random method.
RANDOM_DRAWS = 20


def planted_neurons(instance: TaskInstance, rng: random.Random) -> Material:
    """An instance that asks for a set of neurons."""
    seen, hidden = Seen(instance), cast("Hidden", instance.hidden)
    key, near = sorted(hidden.neurons), sorted(hidden.near_misses)
    others = rng.sample([name for name in seen.names if name not in hidden.neurons], 200)
    graded = [
        GradedContent(path, wrongness, {"neurons": names}) for path, wrongness, names in graded_sets(key, others, rng)
    ]
    graded += [
        GradedContent("near misses", count, {"neurons": sorted([*key, *rng.sample(near, count)])})
        for count in range(len(near) + 1)
    ]
    return Material(instance, graded, _methods(seen, rng), lambda number: _resampled(instance, number))


def planted_letters(instance: TaskInstance, rng: random.Random) -> Material:
    """An instance that asks for a neuron per letter, or that there is none."""
    seen, hidden = Seen(instance), cast("Hidden", instance.hidden)
    right = {one.question.name: min(one.neurons, default=None) for one in hidden.asked}
    present = [letter for letter, neuron in right.items() if neuron is not None]
    absent = [letter for letter, neuron in right.items() if neuron is None]
    graded = [GradedContent(path, 0, {"neurons": right}) for path in ("dropped", "added", "swapped")]
    for _ in range(DRAWS):
        for count in range(1, len(present)):
            chosen = rng.sample(present, count)
            graded.append(GradedContent("dropped", count, _changed(right, dict.fromkeys(chosen))))
        for count in range(1, len(absent) + 1):
            wrong = {letter: rng.choice(seen.names) for letter in rng.sample(absent, count)}
            graded.append(GradedContent("added", count, _changed(right, wrong)))
        for count in range(1, len(present) + 1):
            wrong = {letter: rng.choice(seen.names) for letter in rng.sample(present, count)}
            graded.append(GradedContent("swapped", count, _changed(right, wrong)))
    return Material(instance, graded, _methods(seen, rng), lambda number: _resampled(instance, number))


def _changed(right: Mapping[str, str | None], wrong: Mapping[str, str | None]) -> Content:
    return {"neurons": {**right, **wrong}}


def _methods(seen: Seen, rng: random.Random) -> dict[str, list[Content]]:
    """The key, everything above a low threshold (the best neuron of every letter), and neurons at random."""
    careless = {asked.question.name: above_value(seen, asked, CARELESS) for asked in seen.hidden.asked}
    best = {asked.question.name: seen.best(seen.scan(asked), 1) for asked in seen.hidden.asked}
    key = {asked.question.name: sorted(asked.neurons) for asked in seen.hidden.asked}
    return {
        "truth": [_content(seen, key)],
        "a scan that takes too much": [_content(seen, best if _by_letter(seen) else careless)],
        "random neurons": [_content(seen, _drawn(seen, rng)) for _ in range(RANDOM_DRAWS)],
    }


def _drawn(seen: Seen, rng: random.Random) -> Chosen:
    """As many neurons as the key has, one for a letter."""
    return {asked.question.name: rng.sample(seen.names, max(1, len(asked.neurons))) for asked in seen.hidden.asked}


def _by_letter(seen: Seen) -> bool:
    return "letters" in seen.instance.answer_schema.facts


def _content(seen: Seen, chosen: Chosen) -> Content:
    if _by_letter(seen):
        return {"neurons": {name: neurons[0] if neurons else None for name, neurons in chosen.items()}}
    return {"neurons": sorted({neuron for neurons in chosen.values() for neuron in neurons})}


def _resampled(instance: TaskInstance, number: int) -> TaskInstance:
    """The instance with other hidden texts."""
    seed = derive_seed(instance.seed, instance.task.id, "hidden sample", number)
    return replace(instance, hidden=replace(instance.hidden, text_seed=seed))
