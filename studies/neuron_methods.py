"""Scores of the reference solutions, of other rules for cutting a scan, and of cheap answers on the neuron tasks.

    python -m studies.neuron_methods                                             # ten fresh instances per task
    python -m studies.neuron_methods --tasks neurons/syntax --instances 3        # one task
    python -m studies.neuron_methods --instances 20 --jobs 2 --reference --write # and into docs/truth/neurons.md

A scan here is the task's own statistic (variance explained, with the requested sign) of every neuron on held-out text.
An instance takes a few seconds, ten more with the reference solution.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from statistics import mean
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor

from scribe_suite.paths import suite_root
from scribe_suite.planting.frozen import frozen_models
from scribe_suite.planting.hooked import untrained_twin
from scribe_suite.planting.neurons.measure import all_neurons, neuron_activations, position_information
from scribe_suite.planting.neurons.measure import variance_explained as explained
from scribe_suite.planting.neurons.survey import CONTEXT
from scribe_suite.planting.reference import reference_answer
from scribe_suite.tasks.registry import default_registry
from scribe_suite.tasks.task import Score, TaskInstance
from scribe_suite.text import with_table
from studies.instances import instance_options, measured_instances

if TYPE_CHECKING:  # the registry makes ground_truth importable, and the script is run before it
    from ground_truth.neurons.planted.hidden import AskedQuestion, Hidden

FIRST_SEED = 7000
DOCUMENT = "docs/truth/neurons.md"
MARKERS = ("<!-- tables: written by studies/neuron_methods.py -->", "<!-- end of tables -->")
#: A threshold that might be chosen without reading the question.
CARELESS = 0.25
_INFORMATION_ROWS = 128

#: Question name -> neurons, best first.
Chosen = dict[str, list[str]]


class Seen:
    """An instance and measurements on it."""

    def __init__(self, instance: TaskInstance) -> None:
        self.instance = instance
        self.hidden: Hidden = instance.hidden
        cfg = self.hidden.weights.config
        self.names = [str(neuron) for neuron in all_neurons(int(cfg["n_layers"]), int(cfg["d_mlp"]))]
        self.activations = self.hidden.activations

    def scan(
        self, asked: AskedQuestion, activations: Float[Tensor, "n neuron"] | None = None
    ) -> Float[Tensor, " neuron"]:
        """The statistic of every neuron for one question."""
        feature = asked.question.feature.values(self.hidden.text).flatten()[:, None]
        used = self.activations if activations is None else activations
        return asked.question.statistic(explained(used, feature)[:, 0])

    def best(self, values: Float[Tensor, " neuron"], count: int) -> list[str]:
        """The names of the neurons with the largest values."""
        return [self.names[i] for i in values.argsort(descending=True)[:count].tolist()]

    def scored(self, chosen: Chosen) -> Score:
        """The score of an answer; only the first of a letter's neurons counts."""
        task = self.instance.task
        content: dict[str, object] = {"confidence": 0.5, "summary": "Measured."}
        if "letters" in self.instance.answer_schema.facts:
            letters = {name: neurons[0] if neurons else None for name, neurons in chosen.items()}
            content |= {"neurons": letters}
        else:
            listed = sorted({neuron for neurons in chosen.values() for neuron in neurons})
            content |= {"neurons": listed}
        return task.score(self.instance, self.instance.answer_schema.parse(json.dumps(content)))


def above(seen: Seen, share_of_bar: float) -> Chosen:
    """All neurons whose statistic is at least this share of the bar."""
    found: Chosen = {}
    for asked in seen.hidden.asked:
        values = seen.scan(asked)
        found[asked.question.name] = seen.best(values, int((values >= share_of_bar * asked.question.bar).sum()))
    return found


def careless(seen: Seen) -> Chosen:
    """All neurons above a low threshold."""
    return {asked.question.name: above_value(seen, asked, CARELESS) for asked in seen.hidden.asked}


def above_value(seen: Seen, asked: AskedQuestion, threshold: float) -> list[str]:
    """The neurons of one question whose statistic is at least `threshold`."""
    values = seen.scan(asked)
    return seen.best(values, int((values >= threshold).sum()))


def widest_gap(seen: Seen) -> Chosen:
    """The ranking, cut at its widest gap."""
    found: Chosen = {}
    for asked in seen.hidden.asked:
        values = seen.scan(asked)
        ranked = values.sort(descending=True).values
        found[asked.question.name] = seen.best(values, int((ranked[:-1] - ranked[1:]).argmax()) + 1)
    return found


def without_sign(seen: Seen) -> Chosen:
    """Everything above the bar, whatever the sign."""
    found: Chosen = {}
    for asked in seen.hidden.asked:
        feature = asked.question.feature.values(seen.hidden.text).flatten()[:, None]
        values = explained(seen.activations, feature)[:, 0].abs()
        found[asked.question.name] = seen.best(values, int((values >= asked.question.bar).sum()))
    return found


def most_informative(seen: Seen) -> Chosen:
    """As many neurons as the key has, with the highest mutual information with the position."""
    values = position_information(seen.activations[: _INFORMATION_ROWS * CONTEXT], CONTEXT)
    return {asked.question.name: seen.best(values, len(asked.neurons)) for asked in seen.hidden.asked}


def _sized(values: Callable[[Seen], Float[Tensor, " neuron"]]) -> Callable[[Seen], Chosen]:
    """As many neurons as the key has (one for a letter), with the largest values."""

    def choose(seen: Seen) -> Chosen:
        ranked = values(seen)
        return {asked.question.name: seen.best(ranked, max(1, len(asked.neurons))) for asked in seen.hidden.asked}

    return choose


def output_norms(seen: Seen) -> Float[Tensor, " neuron"]:
    """Norm of every neuron's output weights."""
    state = seen.hidden.weights.state
    layers = range(int(seen.hidden.weights.config["n_layers"]))
    return torch.cat([state[f"blocks.{layer}.mlp.W_out"].norm(dim=1) for layer in layers])


def input_norms(seen: Seen) -> Float[Tensor, " neuron"]:
    """Norm of every neuron's input weights."""
    state = seen.hidden.weights.state
    layers = range(int(seen.hidden.weights.config["n_layers"]))
    return torch.cat([state[f"blocks.{layer}.mlp.W_in"].norm(dim=0) for layer in layers])


def untrained(seen: Seen) -> Chosen:
    """The best neurons of an untrained model, by the task's own statistic."""
    twin = untrained_twin(seen.hidden.weights.config, seen.instance.seed)
    activations = neuron_activations(twin, seen.hidden.text.tokens[:200])
    part = type(seen.hidden.text)(seen.hidden.text.tokens[:200], seen.hidden.text.tags[:200])
    found: Chosen = {}
    for asked in seen.hidden.asked:
        feature = asked.question.feature.values(part).flatten()[:, None]
        values = asked.question.statistic(explained(activations, feature)[:, 0])
        found[asked.question.name] = seen.best(values, max(1, len(asked.neurons)))
    return found


def drawn(seen: Seen) -> Chosen:
    """As many neurons as the key has, at random."""
    rng = random.Random(seen.instance.seed)
    return {asked.question.name: rng.sample(seen.names, max(1, len(asked.neurons))) for asked in seen.hidden.asked}


def key_and_near_misses(seen: Seen) -> Chosen:
    """The key, then the near misses; a letter, which takes only one neuron, gets a near miss where it has no key."""
    return {asked.question.name: sorted(asked.neurons) + sorted(asked.near_misses) for asked in seen.hidden.asked}


ANSWERS: Mapping[str, Callable[[Seen], Chosen]] = {
    "scan, the bar": lambda seen: above(seen, 1.0),
    "scan, widest gap": widest_gap,
    "scan, 0.6 of the bar": lambda seen: above(seen, 0.6),
    f"scan, above {CARELESS}": careless,
    "scan, sign ignored": without_sign,
    "key and near misses": key_and_near_misses,
    "near misses": lambda seen: {one.question.name: sorted(one.near_misses) for one in seen.hidden.asked},
    "highest mutual information with position": most_informative,
    "most active": _sized(lambda seen: seen.activations.mean(0)),
    "highest peak": _sized(lambda seen: seen.activations.amax(0)),
    "largest variance": _sized(lambda seen: seen.activations.var(0)),
    "largest output norm": _sized(output_norms),
    "largest input norm": _sized(input_norms),
    "best on an untrained model": untrained,
    "random": drawn,
    "everything": lambda seen: {one.question.name: seen.names for one in seen.hidden.asked},
    "nothing": lambda seen: {one.question.name: [] for one in seen.hidden.asked},
}


def measure_instance(task_id: str, seed: int, *, with_reference: bool) -> tuple[dict[str, float], float | None]:
    """Skill of every answer on one fresh instance, and the reference's primary metric."""
    instance = default_registry()[task_id].instance(seed)
    seen = Seen(instance)
    skills = {name: seen.scored(choose(seen)).skill for name, choose in ANSWERS.items()}
    if not with_reference:
        return skills, None
    score = instance.task.score(instance, reference_answer(suite_root(), instance))
    return skills, score.metrics[score.primary]


def measure(tasks: Sequence[str], instances: int, *, with_reference: bool, jobs: int) -> str:
    """Tables of means per task over fresh instances from `FIRST_SEED` on, in processes of one thread each."""
    seeds = dict.fromkeys(tasks, range(FIRST_SEED, FIRST_SEED + instances))
    measure_one = partial(measure_instance, with_reference=with_reference)
    found = dict(measured_instances(measure_one, seeds, jobs))
    skills = {task_id: [one for one, _ in rows] for task_id, rows in found.items()}
    references = {task_id: [one for _, one in rows if one is not None] for task_id, rows in found.items()}
    titles = " | ".join(f"`{task_id.split('/')[1]}`" for task_id in tasks)
    rows = [f"| skill | {titles} |", "|---|" + "--:|" * len(tasks)]
    rows += [_row(name, [mean(one[name] for one in skills[task_id]) for task_id in tasks]) for name in ANSWERS]
    if with_reference:
        rows.append(_row("reference, primary metric, mean", [mean(references[task_id]) for task_id in tasks]))
        rows.append(_row("reference, primary metric, lowest", [min(references[task_id]) for task_id in tasks]))
    return "\n".join(rows)


def _row(title: str, values: Sequence[float]) -> str:
    return f"| {title} | {' | '.join(f'{value:z.2f}' for value in values)} |"


def certificates() -> str:
    """A row per number, a column per base model: three losses, then the worst values in its certificate."""
    models = list(frozen_models(default_registry().planted("neurons/unigram")).values())  # all tasks share them
    values = [{check.name: check.value for check in model.record.certificate.checks} for model in models]
    losses = {
        "loss of the model, nats": [value["loss/model"] for value in values],
        "loss of word pairs": [value["loss/model"] - value["loss/minus_bigram"] for value in values],
        "loss of single words": [value["loss/model"] - value["loss/minus_unigram"] for value in values],
    }
    stated = ("rve/", "near_misses/", "information/", "ablation/", "reference/")
    checks = {f"`{name}`": [value[name] for value in values] for name in values[0] if name.startswith(stated)}
    titles = " | ".join(model.name.rpartition("/")[2] for model in models)
    rows = [f"| certificate | {titles} |", "|---|" + "--:|" * len(models)]
    return "\n".join([*rows, *(_row(name, found) for name, found in (losses | checks).items())])


def main() -> None:
    """Measure and print."""
    parser = instance_options(__doc__, "all neuron tasks", 10)
    parser.add_argument("--reference", action="store_true", help="also run the reference solutions")
    parser.add_argument("--write", action="store_true", help=f"put the table into {DOCUMENT}")
    options = parser.parse_args()
    tasks = options.tasks or [task.id for task in default_registry().of_family("neurons", "planted")]
    table = measure(tasks, options.instances, with_reference=options.reference, jobs=options.jobs)
    head = f"Means over {options.instances} fresh instances per task (seeds from {FIRST_SEED})."
    text = f"{head}\n\n{table}\n\nWhat the base models' certificates say:\n\n{certificates()}"
    print(text)
    if options.write:
        path = suite_root() / DOCUMENT
        path.write_text(with_table(path.read_text(), MARKERS, text))


if __name__ == "__main__":
    main()
