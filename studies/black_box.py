"""The skill, on every task, of solvers that see only a model's inputs and outputs.

    python -m studies.black_box                                  # every planted task, twenty fresh instances each
    python -m studies.black_box --tasks circuits/ioi --instances 3
    python -m studies.black_box --jobs 2 --write                 # and into ground_truth/controls.json and the docs
    python -m studies.black_box --tasks variables/used --write   # the same for some tasks; others stay as they are

The record has the lowest level of each task. Other levels can be named, and are printed.

A task that such a solver solves is not about internals. The task itself scores the answers. The solvers may use the
task's distribution of instances and an unlimited number of queries; they are given the exact function of a model,
because enough queries would find it. The record also has the best known method of every task, from the tables that
the other studies wrote into the documents.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression

from scribe_suite.analysis.controls import BLACK_BOX_BAR, RECORD, ControlRecord, MeasuredControl, read_controls
from scribe_suite.errors import AnswerError
from scribe_suite.paths import suite_root
from scribe_suite.scoring.normalise import normalised_skill
from scribe_suite.tasks.answer_kinds import (
    CarrierAnswer,
    EdgeAnswer,
    EncodingAnswer,
    ExceptionAnswer,
    ExplanationAnswer,
    LatentAnswer,
    MechanismAnswer,
    UsedAnswer,
)
from scribe_suite.tasks.arrays import as_json
from scribe_suite.tasks.registry import default_registry
from scribe_suite.tasks.task import Task, TaskInstance
from scribe_suite.text import with_table
from studies.black_box_branches import branch_solvers
from studies.black_box_functions import exact_function, fitted_tree, nodes_by_program
from studies.documented_methods import best_documented
from studies.explanation_answers import other_rules, rare_tokens
from studies.instances import instance_options, measured_instances
from studies.mechanism_answers import black_box_solvers

FIRST_SEED = 8000
COMMAND = "python -m studies.black_box --jobs 2 --write"
DOCUMENT = "docs/reference/controls.md"
MARKERS = ("<!-- tables: written by studies/black_box.py -->", "<!-- end of tables -->")

#: The content of an answer, without confidence and summary.
Content = Mapping[str, Any]
#: The skill of a solver on one instance, or None where it has no answer.
Solver = Callable[[TaskInstance], float | None]


def skill_of(instance: TaskInstance, content: Content) -> float | None:
    """The skill of an answer, or None where its task refuses it."""
    example = instance.answer_schema.example
    said = {name: value for name, value in example.items() if name in ("confidence", "summary")}
    if "nothing_found" in example:
        said["nothing_found"] = not any(content.values())
    try:
        answer = instance.answer_schema.parse(json.dumps({**said, **content}))
    except AnswerError:
        return None
    return instance.task.score(instance, answer).skill


def _drawn(instance: TaskInstance) -> float:
    """A random answer."""
    drawn = instance.task.random_answer(instance, random.Random(instance.seed))
    return instance.task.score(instance, instance.answer_schema.parse(json.dumps(drawn))).skill


# -- circuits: nodes are indistinguishable from outside, but the program can be found ---------------------------------


def _best_fixed(instance: TaskInstance) -> float | None:
    """The answer that is best on average over the task's instances."""
    blind = instance.task.blind.answer  # type: ignore[attr-defined]  # every circuit task has it
    content = _roles(blind) if "roles" in instance.answer_schema.example else {"components": sorted(blind)}
    return skill_of(instance, content)


def _best_rule(instance: TaskInstance) -> float | None:
    """The edges of the classes that are best on average over the task's circuits."""
    blind = instance.task.blind  # type: ignore[attr-defined]  # the task of edges has it
    return skill_of(instance, {"edges": sorted(blind.edges(instance.public.facts["nodes"]))})


def _roles(signed: frozenset[str]) -> Content:
    """Roles for nodes with signs such as ``a0.h1+``; a node with both signs supports."""
    words = {"+": "supports", "-": "suppresses"}
    return {"roles": {node[:-1]: words[node[-1]] for node in sorted(signed, reverse=True)}}


def _tree(instance: TaskInstance) -> float | None:
    """A decision tree fitted to the model's labels, and the most frequent nodes of models with this program."""
    return skill_of(instance, {"code": fitted_tree(instance), "components": nodes_by_program(instance)})


def _exact(instance: TaskInstance) -> float | None:
    """The right function, and the most frequent nodes of models with this program."""
    return skill_of(instance, {"code": exact_function(instance), "components": nodes_by_program(instance)})


# -- neurons: their names carry no information ------------------------------------------------------------------------


def _no_neuron(instance: TaskInstance) -> float | None:
    """No neuron at all."""
    return skill_of(instance, _named(instance, []))


def _all_neurons(instance: TaskInstance) -> float | None:
    """Every neuron."""
    facts = instance.public.facts
    named = [f"L{layer}.N{neuron}" for layer in range(facts["n_layers"]) for neuron in range(facts["d_mlp"])]
    return skill_of(instance, _named(instance, named))


def _named(instance: TaskInstance, neurons: Sequence[str]) -> Content:
    """The answer with these neurons; for letters, the first neuron for each."""
    example = instance.answer_schema.example["neurons"]
    if isinstance(example, dict):
        letters = instance.answer_schema.facts["letters"]
        return {"neurons": dict.fromkeys(letters, neurons[0] if neurons else None)}
    return {"neurons": list(neurons)}


# -- probes: a statement's words as evidence of its truth --------------------------------------------------------------


def _words(instance: TaskInstance) -> float:
    """Logistic regression on the words of the statements, fitted to the model's verdicts on all of them."""
    hidden = instance.hidden
    public, held_out = hidden.split.public, hidden.held_out
    width = int(max(public.tokens.max(), held_out.tokens.max())) + 1

    def counts(tokens: torch.Tensor) -> np.ndarray:
        return torch.nn.functional.one_hot(tokens, width).sum(1).double().numpy()

    fit = LogisticRegression(max_iter=1_000).fit(counts(public.tokens), public.labels)
    accuracy = float((fit.predict(counts(held_out.tokens)) == held_out.labels).mean())
    scale = instance.task.score(instance, instance.answer_schema.parse(json.dumps(instance.answer_schema.example)))
    return normalised_skill(accuracy, scale.chance, scale.reference)


# -- variables: a basis can't be seen from outside ---------------------------------------------------------------------


def _axes(instance: TaskInstance) -> float | None:
    """The first axes of the residual stream, before the logits."""
    facts = instance.public.facts
    axes = torch.eye(facts["d_model"])[: facts["max_directions"]].tolist()
    last = {"layer": facts["n_layers"] - 1, "site": "resid_mid", "position": "last"}
    return skill_of(instance, {**last, "directions": axes})


def _one_way(instance: TaskInstance) -> float | None:
    """The sums of one order of adding, with all heads of their layers."""
    facts = instance.public.facts
    positions, n_heads = facts["positions"], facts["n_heads"]
    sums = [positions[:size] for size in range(2, len(positions))]
    heads = {len(of): [f"a{len(of) - 1}.h{head}" for head in range(n_heads)] for of in sums}
    return skill_of(instance, {"carriers": [{"positions": of, "heads": heads[len(of)]} for of in sums]})


def _unwritten(instance: TaskInstance) -> float | None:
    """One value is always read, and nothing is written."""
    return skill_of(instance, {"code": instance.answer_schema.example["code"]})


def _one_probability(share: float | None) -> Solver:
    """The same probability for every property; None for the base rate."""

    def solve(instance: TaskInstance) -> float | None:
        facts = instance.public.facts
        probability = facts["base_rate"] if share is None else share
        return skill_of(instance, {"used": dict.fromkeys(facts["properties"], probability)})

    return solve


# -- saes: there is no model; these look at single samples or at their covariance --------------------------------------


def _samples(instance: TaskInstance) -> float | None:
    """The first samples as rows."""
    return skill_of(instance, {"dictionary": as_json(_activations(instance)[: instance.public.facts["n_features"]])})


def _components(instance: TaskInstance) -> float | None:
    """The principal components of the samples."""
    return skill_of(instance, {"dictionary": as_json(np.linalg.eigh(np.cov(_activations(instance).T))[1].T)})


def _activations(instance: TaskInstance) -> np.ndarray:
    activations: np.ndarray = instance.hidden.samples.activations  # the same that an agent has
    return activations


# -- saes with a model: its output says nothing about latents ----------------------------------------------------------


def _first_latents(instance: TaskInstance) -> float | None:
    """The first latents."""
    return skill_of(instance, {"latents": list(range(instance.public.facts["max_latents"]))})


# -- steering: what a model says is the same wherever its gate is read ------------------------------------------------


def _nothing(instance: TaskInstance) -> float | None:
    """The statement that no vector does it."""
    return skill_of(instance, {"vector": []})


def _axis(instance: TaskInstance) -> float | None:
    """The first axis after the first layer."""
    return skill_of(instance, {name: instance.answer_schema.example[name] for name in ("layer", "vector")})


SOLVERS: Mapping[str, Mapping[str, Solver]] = {
    "circuits": {"best fixed answer": _best_fixed, "random answer": _drawn},
    "neurons": {"no neuron": _no_neuron, "every neuron": _all_neurons, "random answer": _drawn},
    "probes": {"words of the statement": _words, "random answer": _drawn},
    "saes": {"samples": _samples, "principal components": _components, "random answer": _drawn},
    "steering": {"nothing found": _nothing, "first axis": _axis, "random answer": _drawn},
    "variables": {"axes of the last layer": _axes, "random answer": _drawn},
}
#: Solvers where the answer includes a function.
FUNCTION_SOLVERS: Mapping[str, Solver] = {
    "decision tree, nodes by program": _tree,
    "exact function, nodes by program": _exact,
    "random answer": _drawn,
}

#: Solvers where the answer is about interventions.
MECHANISM_SOLVERS: Mapping[str, Solver] = {**black_box_solvers(skill_of), "random answer": _drawn}

#: Solvers where the answer is about an exception that almost no prompt meets.
EXCEPTION_SOLVERS: Mapping[str, Solver] = {**branch_solvers(skill_of), "random answer": _drawn}
#: Solvers where the answer is a wiring.
EDGE_SOLVERS: Mapping[str, Solver] = {"best rule by name": _best_rule, "random answer": _drawn}
#: Solvers where the answer is sums and the heads that carry them.
CARRIER_SOLVERS: Mapping[str, Solver] = {"one order of adding, all heads": _one_way, "random answer": _drawn}

#: Solvers where the answer reads and writes a variable in activations.
ENCODING_SOLVERS: Mapping[str, Solver] = {"one value, nothing written": _unwritten, "random answer": _drawn}
#: Solvers where the answer is a probability for each property: labels depend on all properties, whatever is used.
USED_SOLVERS: Mapping[str, Solver] = {
    "base rate": _one_probability(None),
    "none is used": _one_probability(0.0),
    "random answer": _drawn,
}

#: Solvers where the answer is a set of latents.
LATENT_SOLVERS: Mapping[str, Solver] = {"first latents": _first_latents, "random answer": _drawn}

#: Tasks on a real model, which is not available everywhere: the answers that define their scorer's chance have skill 0
#: or less by definition.
BY_DEFINITION: Mapping[str, str] = {
    "circuits": "best ranking without the model",
    "neurons": "best neurons of an untrained model",
    "probes": "tokens of the statement",
    "variables": "exchanging nothing, or everything",
}


def by_definition(task: Task) -> str:
    """The answers that define the chance of a task on a real model."""
    return "best list of tokens" if task.name == "explain_real" else BY_DEFINITION[task.family]


#: Solvers where the answer predicts neurons.
EXPLANATION_SOLVERS: Mapping[str, Solver] = {
    "rules of other instances": other_rules(skill_of),
    "rare tokens": rare_tokens(skill_of),
    "random answer": _drawn,
}


def solvers_of(task: Task, instance: TaskInstance) -> Mapping[str, Solver]:
    """The solvers that can answer a task."""
    if issubclass(instance.answer_schema.model, MechanismAnswer):
        return MECHANISM_SOLVERS
    if issubclass(instance.answer_schema.model, ExceptionAnswer):
        return EXCEPTION_SOLVERS
    if issubclass(instance.answer_schema.model, EdgeAnswer):
        return EDGE_SOLVERS
    if issubclass(instance.answer_schema.model, ExplanationAnswer):
        return EXPLANATION_SOLVERS
    if issubclass(instance.answer_schema.model, CarrierAnswer):
        return CARRIER_SOLVERS
    if issubclass(instance.answer_schema.model, EncodingAnswer):
        return ENCODING_SOLVERS
    if issubclass(instance.answer_schema.model, UsedAnswer):
        return USED_SOLVERS
    if issubclass(instance.answer_schema.model, LatentAnswer):
        return LATENT_SOLVERS
    return FUNCTION_SOLVERS if "code" in instance.answer_schema.example else SOLVERS[task.family]


def measure_instance(task_id: str, seed: int) -> dict[str, float]:
    """Solver -> skill on one fresh instance; those without an answer are left out."""
    task = default_registry()[task_id]
    instance = task.instance(seed)
    found = {name: solve(instance) for name, solve in solvers_of(task, instance).items()}
    return {name: skill for name, skill in found.items() if skill is not None}


def measure(tasks: Sequence[str], instances: int, jobs: int) -> dict[str, dict[str, float]]:
    """Task -> solver -> mean skill over fresh instances from `FIRST_SEED` on, in processes of one thread each."""
    seeds = dict.fromkeys(tasks, range(FIRST_SEED, FIRST_SEED + instances))
    # a solver without an answer to every instance has no mean
    return {
        task_id: {name: mean(row[name] for row in found) for name in found[0] if all(name in row for row in found)}
        for task_id, found in measured_instances(measure_instance, seeds, jobs)
    }


def record_of(skills: Mapping[str, Mapping[str, float]], instances: int, root: Path) -> ControlRecord:
    """The record: the measurements on planted tasks, and the known facts about tasks on a real model."""
    tasks = {}
    for task in (default_registry()[facts.id] for facts in default_registry().questions()):
        if task.id in skills:
            solvers, number = {name: round(skill, 4) for name, skill in skills[task.id].items()}, instances
        elif task.source != "planted":
            solvers, number = {by_definition(task): 0.0}, 0
        else:
            continue
        best = best_documented(task, root)
        tasks[task.id] = MeasuredControl(
            version=task.version,
            solvers=solvers,
            best_method=best.method,
            best_skill=best.skill,
            best_source=best.source,
            instances=number,
        )
    return ControlRecord(made_by=COMMAND, first_seed=FIRST_SEED, tasks=tasks)


def with_measured(known: ControlRecord, record: ControlRecord, measured: Collection[str]) -> ControlRecord:
    """A known record with a new one's entries for the tasks that were measured."""
    renewed = {task_id: one for task_id, one in record.tasks.items() if task_id in measured}
    return known.model_copy(update={"tasks": known.tasks | renewed})


def table(record: ControlRecord) -> str:
    """A row per task, and the tasks that are not about internals alone."""
    lines = ["| task | version | black box | by | best known | method |", "|---|--:|--:|---|--:|---|"]
    ordered = sorted(record.tasks.items())
    for task_id, one in ordered:
        black_box = f"{one.black_box:z.2f} | {one.solver}"
        lines.append(f"| `{task_id}` | {one.version} | {black_box} | {one.best_skill:.2f} | {one.best_method} |")
    open_tasks = [f"`{task_id}`" for task_id, one in ordered if one.black_box >= BLACK_BOX_BAR]
    verdict = f"Not about internals alone (black box {BLACK_BOX_BAR} or more): {', '.join(open_tasks) or 'no task'}."
    return "\n".join([*lines, "", verdict])


def main() -> None:
    """Measure, print, and write where asked."""
    parser = instance_options(__doc__, "all planted ones", 20)
    parser.add_argument("--write", action="store_true", help=f"write {RECORD} and the table in {DOCUMENT}")
    options = parser.parse_args()
    every = [task.id for task in default_registry().of_source("planted")]
    root = suite_root()
    skills = measure(options.tasks or every, options.instances, options.jobs)
    record = record_of(skills, options.instances, root)
    if options.tasks:
        record = with_measured(read_controls(root), record, skills)
    print(table(record))
    for task_id, solvers in skills.items():
        print(f"{task_id}: " + ", ".join(f"{name} {skill:z.3f}" for name, skill in solvers.items()))
    if options.write:
        ordered = record.model_copy(update={"tasks": dict(sorted(record.tasks.items()))})
        (root / RECORD).write_text(ordered.model_dump_json(indent=1) + "\n")
        document = root / DOCUMENT
        document.write_text(with_table(document.read_text(), MARKERS, table(record)))


if __name__ == "__main__":
    main()
