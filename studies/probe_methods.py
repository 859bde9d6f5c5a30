"""What the reference recipes, other ways to fit a probe and cheap answers reach on the probe tasks, and where.

    python -m studies.probe_methods                                               # ten fresh instances per task
    python -m studies.probe_methods --tasks probes/grammar --instances 3          # one task
    python -m studies.probe_methods --instances 20 --jobs 2 --reference --write   # and into docs/truth/probes.md

Every method is judged as its task judges answers. A cheap answer to a task without labels may use them here: what it
does not reach with them, it does not reach. Some ten seconds per instance, as many again with the reference solution.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from statistics import mean
from typing import TYPE_CHECKING, cast

import numpy as np
import torch
from jaxtyping import Bool, Float
from rich.progress import track
from sklearn.linear_model import LogisticRegression
from transformer_lens import HookedTransformer

from scribe_suite.paths import suite_root
from scribe_suite.planting.frozen import FrozenModel, load_all_frozen
from scribe_suite.planting.hooked import build_model, untrained_twin
from scribe_suite.planting.reference import reference_answer
from scribe_suite.planting.statements.language import FRAME
from scribe_suite.planting.statements.training import TRUTH_LAYER
from scribe_suite.scoring.directions import random_direction_accuracy
from scribe_suite.scoring.normalise import SMALLEST_RANGE, normalised_skill
from scribe_suite.scoring.probes import LabelledStatements, LinearProbe, fit_probe, probe_accuracy, residual_at
from scribe_suite.scoring.recipes import mean_difference, one_hot, principal_directions, without
from scribe_suite.tasks.registry import default_registry
from scribe_suite.tasks.task import TaskInstance
from scribe_suite.text import with_table

if TYPE_CHECKING:  # the registry makes ground_truth importable, and the script is run before it
    from ground_truth.probes.planted.hidden import Hidden
    from ground_truth.probes.planted.task import PlantedProbeTask

FIRST_SEED = 9000
DOCUMENT = "docs/truth/probes.md"
MARKERS = ("<!-- tables: written by studies/probe_methods.py -->", "<!-- end of tables -->")

#: Block after which to read, and position from the end of the statement.
Place = tuple[int, int]
LAST, LAST_WORD = -1, -FRAME
CERTIFIED: Place = (TRUTH_LAYER, LAST)

#: Inverse penalties: scikit-learn's default, next to none, and one that leaves little but the difference of means.
DEFAULT, NONE, STRONG = 1.0, 1e4, 1e-3
_RANDOM_DIRECTIONS, _SHUFFLES, _TWINS = 200, 20, 3

#: One task per world: what is at the last positions of its statements.
SHOWN_PLACES: Mapping[str, tuple[str, ...]] = {
    "probes/greater_than": ("`than`", "second number", "`,`", "address", "ending"),
    "probes/cities": ("`in`", "country", "`,`", "address", "ending"),
    "probes/grammar": ("word before the verb", "verb", "`,`", "address", "ending"),
}


@dataclass(frozen=True)
class Side:
    """The statements on one side of a split and all that the model's blocks leave in the residual stream.

    Attributes:
        statements: With their labels.
        residual: After every block, at every position.
    """

    statements: LabelledStatements
    residual: Float[np.ndarray, "layer statement position d_model"]

    @classmethod
    def read(cls, model: HookedTransformer, statements: LabelledStatements) -> Side:
        """Run the model once: what `residual_at` reads place by place."""
        with torch.inference_mode():
            _, cache = model.run_with_cache(
                statements.tokens, names_filter=lambda name: name.endswith("hook_resid_post"), return_type=None
            )
        layers = [cache["resid_post", layer].double().numpy() for layer in range(model.cfg.n_layers)]
        return cls(statements, np.stack(layers))

    def at(self, place: Place) -> Float[np.ndarray, "statement d_model"]:
        """The activations at one place."""
        layer, position = place
        activations: Float[np.ndarray, "statement d_model"] = self.residual[layer, :, position]
        return activations

    @property
    def labels(self) -> Bool[np.ndarray, " statement"]:
        """The truth of the statements, or what agents know of it."""
        return self.statements.labels


class Seen:
    """An instance and what can be measured of it."""

    def __init__(self, instance: TaskInstance) -> None:
        self.instance = instance
        self.task = cast("PlantedProbeTask", instance.task)
        self.hidden: Hidden = instance.hidden
        self.model = build_model(self.hidden.weights)
        self.public, self.held_out = (
            Side.read(self.model, side) for side in (self.hidden.split.public, self.hidden.held_out)
        )
        self.rng = np.random.default_rng(instance.seed)

    def chance(self, place: Place) -> float:
        """The floor of the skill of what reads at `place`, as the task's scorer has it."""
        floors = [0.5, self.hidden.control_accuracy]
        if not self.task.labelled:
            lucky = max(self._random_accuracy(CERTIFIED), self._random_accuracy(place))
            floors.append(min(lucky, self.hidden.reference_accuracy - SMALLEST_RANGE))
        return max(floors)

    @cache  # noqa: B019 - one object per instance, which the process forgets with it
    def _random_accuracy(self, place: Place) -> float:
        return random_direction_accuracy(self.held_out.at(place), self.held_out.labels)

    def accuracy(self, probe: LinearProbe, place: Place) -> float:
        """The primary metric of a probe that reads at `place`."""
        return self.task.judged(probe, self.held_out.at(place), self.held_out.labels)

    def skill(self, probe: LinearProbe, place: Place) -> float:
        """The skill of a probe that reads at `place`."""
        return normalised_skill(self.accuracy(probe, place), self.chance(place), self.hidden.reference_accuracy)

    def id_of(self, word: str) -> int:
        """The instance's token id of a word."""
        vocabulary: list[str] = json.loads(self.instance.public.files["vocabulary.json"])
        return vocabulary.index(word)


#: Finds probes at a place; of several drawn at random the mean skill counts.
Finder = Callable[[Seen, Place], list[LinearProbe]]


def recipe(seen: Seen, place: Place) -> list[LinearProbe]:
    """What the task calls its reference recipe."""
    return [seen.task.recipe(seen.public.at(place), seen.public.statements)]


def fitted(
    fit: Callable[[Float[np.ndarray, "statement d_model"], Bool[np.ndarray, " statement"]], LinearProbe],
) -> Finder:
    """Whatever fits a probe to activations and labels, on the public side."""
    return lambda seen, place: [fit(seen.public.at(place), seen.public.labels)]


def logistic(inverse_penalty: float) -> Finder:
    """Logistic regression with a penalty that nothing was consulted about."""
    return fitted(lambda hidden, labels: fit_probe(hidden, labels, inverse_penalty))


def first_component(seen: Seen, place: Place) -> list[LinearProbe]:
    """The loudest direction; where there are labels they choose its sign."""
    hidden = seen.public.at(place)
    return [_signed(seen, principal_directions(hidden)[0], hidden)]


def first_component_beside_frame(seen: Seen, place: Place) -> list[LinearProbe]:
    """The loudest direction of what ending and address leave unexplained."""
    hidden = seen.public.at(place)
    frame = one_hot(seen.public.statements.tokens[:, -2:].numpy())
    return [_signed(seen, principal_directions(without(hidden, frame))[0], hidden)]


def _signed(
    seen: Seen, direction: Float[np.ndarray, " d_model"], hidden: Float[np.ndarray, "statement d_model"]
) -> LinearProbe:
    probe = LinearProbe(direction, 0.0, hidden.mean(0))
    if probe_accuracy(probe, hidden, seen.public.labels) >= 0.5:
        return probe
    return LinearProbe(-direction, 0.0, probe.center)


def shuffled_labels(seen: Seen, place: Place) -> list[LinearProbe]:
    """Differences of the means of two classes that mean nothing."""
    hidden = seen.public.at(place)
    return [mean_difference(hidden, seen.rng.permutation(seen.public.labels)) for _ in range(_SHUFFLES)]


def token_identity(seen: Seen, place: Place) -> list[LinearProbe]:
    """One coefficient per word, written as the residual direction with which the embedding would carry it."""
    embedding = seen.hidden.weights.state["embed.W_E"].double().numpy()
    tokens = seen.public.statements.tokens
    words = torch.nn.functional.one_hot(tokens, len(embedding)).sum(1).double().numpy()
    fit = LogisticRegression(max_iter=1_000).fit(words, seen.public.labels)
    return [LinearProbe(fit.coef_[0] @ embedding, 0.0, seen.public.at(place).mean(0))]


def said(seen: Seen, place: Place) -> list[LinearProbe]:
    """The direction in which the model says "true" or "yes" rather than "false" or "no"."""
    unembedding = seen.hidden.weights.state["unembed.W_U"].double().numpy()
    true, yes, false, no = (unembedding[:, seen.id_of(word)] for word in ("true", "yes", "false", "no"))
    return [LinearProbe(true + yes - false - no, 0.0, seen.public.at(place).mean(0))]


def of_untrained_twins(seen: Seen, place: Place) -> list[LinearProbe]:
    """The recipe, fitted on models of the same shape that were never trained."""
    statements = seen.public.statements
    seeds = seen.rng.integers(2**31, size=_TWINS)
    twins = [untrained_twin(seen.hidden.weights.config, int(seed)) for seed in seeds]
    return [seen.task.recipe(residual_at(twin, statements.tokens, *place), statements) for twin in twins]


def random_directions(seen: Seen, place: Place) -> list[LinearProbe]:
    """Directions drawn at random, centred on the public statements."""
    center = seen.public.at(place).mean(0)
    return [LinearProbe(one, 0.0, center) for one in seen.rng.normal(size=(_RANDOM_DIRECTIONS, len(center)))]


def constant(seen: Seen, place: Place) -> list[LinearProbe]:
    """Always "true"."""
    width = seen.public.at(place).shape[1]
    return [LinearProbe(np.full(width, 1e-9), 1e6, np.zeros(width))]


def zero_vector(seen: Seen, place: Place) -> list[LinearProbe]:
    """A probe without a direction."""
    width = seen.public.at(place).shape[1]
    return [LinearProbe(np.zeros(width), 0.0, np.zeros(width))]


@dataclass(frozen=True)
class Method:
    """A way to find a probe and where it reads.

    Attributes:
        find: See `Finder`.
        place: Where the residual stream is read.
        labelled: Whether only a task that gives labels, or a model to run, can be answered so.
    """

    find: Finder
    place: Place = CERTIFIED
    labelled: bool = False


METHODS: Mapping[str, Method] = {
    "reference recipe": Method(recipe),
    "logistic regression": Method(logistic(DEFAULT), labelled=True),
    "logistic regression, no penalty": Method(logistic(NONE), labelled=True),
    "logistic regression, strong penalty": Method(logistic(STRONG), labelled=True),
    "difference of means": Method(fitted(mean_difference), labelled=True),
    "first component": Method(first_component),
    "first component beside ending and address": Method(first_component_beside_frame),
    **{f"recipe, last token, block {block}": Method(recipe, (block, LAST)) for block in (0, 1, 3)},
    **{
        f"recipe, last word of the content, block {block}": Method(recipe, (block, LAST_WORD), labelled=True)
        for block in (0, 1, 2)
    },
    "difference of means, shuffled labels": Method(shuffled_labels),
    "token identity, block 0": Method(token_identity, (0, LAST)),
    "what the model says, block 3": Method(said, (3, LAST)),
    "recipe fitted on untrained twins": Method(of_untrained_twins),
    "random direction": Method(random_directions),
    "random direction, last word of the content, block 1": Method(random_directions, (1, LAST_WORD)),
    "constant": Method(constant, labelled=True),
    "zero vector": Method(zero_vector),
}


@dataclass(frozen=True)
class Referred:
    """What the reference notebook reaches on one instance.

    Attributes:
        accuracy: The primary metric.
        skill: See `Score`.
    """

    accuracy: float
    skill: float


@dataclass(frozen=True)
class Measured:
    """What is found on one instance.

    Attributes:
        skills: Method -> mean skill, None where the task can't be answered so.
        ceiling: See `ceiling`.
        by_place: See `by_place`; empty for a task whose places are not shown.
        reference: None where it was not run.
    """

    skills: Mapping[str, float | None]
    ceiling: float
    by_place: Sequence[Sequence[float]]
    reference: Referred | None


def measure_instance(task_id: str, seed: int, *, with_reference: bool) -> Measured:
    """Everything about one fresh instance."""
    instance = default_registry()[task_id].instance(seed)
    seen = Seen(instance)
    return Measured(
        skills=method_skills(seen),
        ceiling=ceiling(seen),
        by_place=by_place(seen, len(SHOWN_PLACES.get(task_id, ()))),
        reference=run_reference(instance) if with_reference else None,
    )


def method_skills(seen: Seen) -> dict[str, float | None]:
    """Mean skill of every method, None where the task can't be answered so."""
    return {
        name: mean(seen.skill(probe, method.place) for probe in method.find(seen, method.place))
        if seen.task.labelled or not method.labelled
        else None
        for name, method in METHODS.items()
    }


def ceiling(seen: Seen) -> float:
    """The primary metric of logistic regression with right labels, fitted on one half of the hidden groups at a time.

    It is judged on the other half; mean of both. What is public could not be used for all: some of its labels are
    wrong.
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
    """What the reference notebook submits, scored."""
    score = instance.task.score(instance, reference_answer(suite_root(), instance))
    return Referred(score.metrics[score.primary], score.skill)


def measure(tasks: Sequence[str], instances: int, *, with_reference: bool, jobs: int) -> dict[str, list[Measured]]:
    """Fresh instances of every task, from `FIRST_SEED` on, in processes of one thread each."""
    units = [(task_id, seed) for task_id in tasks for seed in range(FIRST_SEED, FIRST_SEED + instances)]
    found: dict[str, list[Measured]] = {task_id: [] for task_id in tasks}
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, mp_context=context, initializer=_one_thread) as pool:
        futures = [pool.submit(measure_instance, *unit, with_reference=with_reference) for unit in units]
        for (task_id, _), future in zip(
            track(units, "instances", disable=not sys.stderr.isatty()), futures, strict=True
        ):
            found[task_id].append(future.result())
    return found


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

    What a task does not need, and what the models of a world were not trained on, is a dash.
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
    """What is named ``first/...``, by the second part of the name."""
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


def _one_thread() -> None:
    torch.set_num_threads(1)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", nargs="*", metavar="FAMILY/NAME", help="which tasks (default: all probe tasks)")
    parser.add_argument("--instances", type=int, default=10, help="fresh instances per task (default: 10)")
    parser.add_argument("--jobs", type=int, default=1, help="processes (default: 1)")
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
