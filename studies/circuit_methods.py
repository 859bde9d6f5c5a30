"""Scores of well-known methods on the planted circuits; shows that one patching scan does not suffice everywhere.

    python -m studies.circuit_methods                                    # all circuit tasks, ten fresh instances each
    python -m studies.circuit_methods --tasks circuits/ioi --instances 3 # one of them
    python -m studies.circuit_methods --instances 20 --jobs 2 --reference --write # and into docs/reference/methods.md

Methods are run as agents would run them: in the set-up cell's names, by the shared cells of the reference solutions
(``ground_truth/solutions/circuits/cells/``). Some ten seconds per instance, as many again
with the reference solution.
"""

from __future__ import annotations

import contextlib
import io
import json
import random
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from statistics import mean
from typing import Any

import matplotlib as mpl
import torch
from jaxtyping import Float, Int
from matplotlib import pyplot as plt
from safetensors.torch import load
from torch import Tensor

from scribe_suite.paths import suite_root
from scribe_suite.planting.circuits.patchable import PatchableTransformer
from scribe_suite.planting.hooked import ModelWeights
from scribe_suite.planting.reference import reference_answer
from scribe_suite.scoring.sets import set_metrics
from scribe_suite.tasks.registry import default_registry
from scribe_suite.tasks.solutions import parse_percent
from scribe_suite.tasks.task import TaskInstance
from scribe_suite.text import with_table
from studies.degenerate import DEGENERATE, NodeStatistic, auroc, glance, node_statistics
from studies.instances import instance_options, measured_instances
from studies.signatures import circuit_tasks

FIRST_SEED = 7000
DOCUMENT = "docs/reference/methods.md"
MARKERS = ("<!-- tables: written by studies/circuit_methods.py -->", "<!-- end of tables -->")
COLUMNS = ("IoU", "precision", "recall", "AUROC")
HEADROOM = ("circuits/backup_heads", "circuits/suppressor", "circuits/two_behaviours")
_ATTRIBUTED = 256
METHOD_CELLS = ("cells/patching.py", "cells/attribution.py", "cells/sweep.py")

#: The variables of a kernel after the cells have run.
Names = dict[str, Any]


def shared_cells(files: Sequence[str]) -> list[str]:
    """The code cells of files in ``ground_truth/solutions/circuits``."""
    folder = suite_root() / "ground_truth" / "solutions" / "circuits"
    parsed = [cell for name in files for cell in parse_percent((folder / name).read_text())]
    return [cell.source for cell in parsed if cell.kind == "code"]


def run_cells(instance: TaskInstance) -> Names:
    """Run the set-up cell of an instance, of which only the public material is used, and the shared cells."""
    names: Names = {}
    with tempfile.TemporaryDirectory() as empty, contextlib.chdir(empty), contextlib.redirect_stdout(io.StringIO()):
        for name, content in instance.public.files.items():
            Path(name).write_bytes(content)
        for source in (instance.public.setup_code, *shared_cells(METHOD_CELLS)):
            exec(source, names)
    plt.close("all")
    return names


def method_scores(instance: TaskInstance, names: Names) -> dict[str, NodeStatistic]:
    """A number per node from every method, for ranking nodes by absolute value."""
    sizes = node_statistics(_network(instance), names["prompts"])
    signed = {
        "activation patching": names["patching"],
        "attribution patching": names["attribution"],
        "EAP-IG": names["eap_ig"],
    }
    return {
        **{name: {node: abs(value) for node, value in score.items()} for name, score in signed.items()},
        "direct logit attribution": direct_logit_attribution(instance, names["prompts"]),
        "unembedded weights": unembedded_weights(instance),
        "weight norm": sizes["weight_norm"],
        "output norm": sizes["output_norm"],
    }


@torch.no_grad()
def direct_logit_attribution(instance: TaskInstance, prompts: Int[Tensor, "n ctx"]) -> dict[str, float]:
    """The direct effect of a node's output on the logits: root mean square over prompts, positions and labels."""
    network, positions = _network(instance), list(instance.public.facts["labelled"])
    writes = network.writes(network(prompts[:_ATTRIBUTED])[1])[:, :, :, positions]
    logits = (writes / network.normaliser(prompts[:_ATTRIBUTED])[:, positions]) @ _centred_unembedding(network)
    varying = logits - logits.mean(2, keepdim=True)
    return dict(zip(network.shape.nodes, varying.pow(2).mean((2, 3, 4)).sqrt().flatten().tolist(), strict=True))


@torch.no_grad()
def unembedded_weights(instance: TaskInstance) -> dict[str, float]:
    """The norm of a node's output weights times the unembedding, relative to the norm of these weights."""
    network, found = _network(instance), {}
    unembedding = _centred_unembedding(network)
    for layer in range(network.shape.n_layers):
        written = {f"a{layer}.h{head}": network.W_O[layer, head] for head in range(network.shape.n_heads)}
        for node, matrix in {**written, f"m{layer}": network.W_out[layer]}.items():
            found[node] = float((matrix @ unembedding).norm() / matrix.norm())
    return found


def _centred_unembedding(network: PatchableTransformer) -> Float[Tensor, "d_model label"]:
    return network.W_U - network.W_U.mean(-1, keepdim=True)


def measured(instance: TaskInstance, names: Names) -> dict[str, dict[str, float]]:
    """IoU, precision, recall of the best k nodes that recover 95 % of accuracy, and AUROC, for every method.

    The first method appears a second time with its k nodes pruned, which is the reference solution's answer to `ioi`,
    `antonym`, `attention_pattern` and `mlp_only`.
    """
    key, scores = key_of(instance), method_scores(instance, names)
    table = {method: _row(names["sweep"](score)[1], score, key) for method, score in scores.items()}
    first, *others = table
    pruned = {f"{first}, pruned": _row(names["circuit"], scores[first], key)}
    return {first: table[first], **pruned, **{method: table[method] for method in others}}


def _row(nodes: Sequence[str], score: NodeStatistic, key: frozenset[str]) -> dict[str, float]:
    found = set_metrics(nodes, key)
    return {
        "IoU": found["iou"],
        "precision": found["precision"],
        "recall": found["recall"],
        "AUROC": auroc(score, key),
    }


def key_of(instance: TaskInstance) -> frozenset[str]:
    """The certified nodes, roles left out."""
    oracle = instance.task.oracle_answer(instance)
    return frozenset(oracle["roles"] if "roles" in oracle else oracle["components"])


def widest_gap(score: NodeStatistic) -> list[str]:
    """The nodes above the widest gap between neighbours in the ranking."""
    ranked = sorted(score, key=lambda node: -score[node])
    gaps = [score[above] - score[below] for above, below in pairwise(ranked)]
    return ranked[: gaps.index(max(gaps)) + 1]


def swept(score: NodeStatistic, names: Names) -> list[str]:
    """The best k nodes that recover 95 % of accuracy, without those that are not needed."""
    _, kept = names["sweep"](score)
    needed: list[str] = names["pruned"](kept, score)
    return needed


#: Quantity measured by a scan -> name of its result in the kernel: resample patching of single nodes on the given
#: pairs.
EFFECTS = {"logit difference": "patching", "accuracy": "accuracy_lost"}
#: Thresholds to try, relative to the largest effect; the best one is chosen with the key known.
FRACTIONS = (0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.3, 0.5)


def one_scan(instance: TaskInstance, names: Names) -> dict[str, float]:
    """The skill of one scan with every threshold; roles have the sign of the single node's effect."""
    skills = {}
    for label, name in EFFECTS.items():
        sizes = _sizes(names[name])
        answers = {"widest gap": widest_gap(sizes), "then sweep and pruning": swept(sizes, names)}
        answers |= {f"threshold {fraction}": above(sizes, fraction) for fraction in FRACTIONS}
        for rule, nodes in answers.items():
            skills[f"{label}, {rule}"] = _skill(instance, _content(instance, nodes, names["patching"]))
    return skills


def above(score: NodeStatistic, fraction: float) -> list[str]:
    """The nodes whose effect is at least this fraction of the largest one."""
    largest = max(score.values())
    return [node for node, value in score.items() if value >= fraction * largest]


def in_hindsight(means: Mapping[str, float]) -> dict[str, float]:
    """Mean skills of `one_scan` with only the best of all fixed thresholds left."""
    kept = {rule: skill for rule, skill in means.items() if "threshold" not in rule}
    for label in EFFECTS:
        fixed = [skill for rule, skill in means.items() if rule.startswith(f"{label}, threshold")]
        if fixed:
            kept[f"{label}, best fixed threshold in hindsight"] = max(fixed)
    return kept


def cheap_answers(instance: TaskInstance, names: Names) -> dict[str, float]:
    """The skill of every answer that needs no interpretability (`studies.degenerate`)."""
    seen = glance(_network(instance), names["prompts"], len(key_of(instance)), random.Random(instance.seed))
    supporting = dict.fromkeys(seen.nodes, 1.0)
    return {
        label: _skill(instance, _content(instance, sorted(answer(seen)), supporting))
        for label, answer in DEGENERATE.items()
    }


def _network(instance: TaskInstance) -> PatchableTransformer:
    files = instance.public.files
    weights = ModelWeights(json.loads(files["config.json"]), load(files["model.safetensors"]))
    return PatchableTransformer.from_weights(weights)


def _sizes(score: NodeStatistic) -> dict[str, float]:
    return {node: abs(value) for node, value in score.items()}


def _content(instance: TaskInstance, nodes: Sequence[str], effects: NodeStatistic) -> dict[str, Any]:
    if "roles" not in instance.answer_schema.model.model_fields:
        return {"components": sorted(nodes)}
    return {"roles": {node: "supports" if effects[node] > 0 else "suppresses" for node in sorted(nodes)}}


def _skill(instance: TaskInstance, content: dict[str, Any]) -> float:
    answer = {"confidence": 0.5, "summary": "Cheap.", **content}
    return instance.task.score(instance, instance.answer_schema.parse(json.dumps(answer))).skill


@dataclass
class Measured:
    """The measurements on one instance, or their average over several.

    Attributes:
        methods: Method -> column -> value; empty without counterfactual pairs, as all that follow.
        scans: Answer -> skill; empty for tasks without headroom.
        cheap: Answer -> skill.
        reference: ``primary`` and ``skill`` of the reference solution; empty when it was not asked for.
    """

    methods: dict[str, dict[str, float]]
    scans: dict[str, float]
    cheap: dict[str, float]
    reference: dict[str, float]


def measure_instance(task_id: str, seed: int, *, with_reference: bool) -> Measured:
    """All measurements on one fresh instance."""
    mpl.use("Agg")  # the executed cells draw plots
    task: Any = default_registry()[task_id]  # a task with a planted circuit
    instance = task.instance(seed)
    result = Measured({}, {}, {}, {})
    if task.public_pairs:
        names = run_cells(instance)
        result.methods, result.cheap = measured(instance, names), cheap_answers(instance, names)
        if task_id in HEADROOM:
            result.scans = one_scan(instance, names)
    if with_reference:
        answer = reference_answer(suite_root(), instance)
        skill = task.score(instance, answer).skill
        result.reference = {"primary": task.primary_score(instance, answer), "skill": skill}
    return result


def mean_of(rows: Sequence[Measured]) -> Measured:
    """Means over instances of one task, and the lowest value of the reference's primary metric."""
    methods = {name: _means([row.methods[name] for row in rows]) for name in rows[0].methods}
    reference = _means([row.reference for row in rows])
    if reference:
        reference["lowest primary"] = min(row.reference["primary"] for row in rows)
    scans, cheap = _means([row.scans for row in rows]), _means([row.cheap for row in rows])
    return Measured(methods, in_hindsight(scans), cheap, reference)


def _means(rows: Sequence[Mapping[str, float]]) -> dict[str, float]:
    return {name: mean(row[name] for row in rows) for name in rows[0]} if rows else {}


def measure(tasks: Sequence[str], instances: int, *, with_reference: bool, jobs: int) -> dict[str, Measured]:
    """Means per task over fresh instances from `FIRST_SEED` on, in processes of one thread each."""
    seeds = dict.fromkeys(tasks, range(FIRST_SEED, FIRST_SEED + instances))
    measure_one = partial(measure_instance, with_reference=with_reference)
    return {task_id: mean_of(found) for task_id, found in measured_instances(measure_one, seeds, jobs)}


def methods_markdown(tables: Mapping[str, Mapping[str, Mapping[str, float]]]) -> str:
    """A row per task and method."""
    lines = [f"| task | method | {' | '.join(COLUMNS)} |", "|---|---|" + "--:|" * len(COLUMNS)]
    for task_id, table in tables.items():
        for method, values in table.items():
            cells = " | ".join(f"{values[column]:.2f}" for column in COLUMNS)
            lines.append(f"| `{task_id.split('/')[1]}` | {method} | {cells} |")
    return "\n".join(lines)


def skills_markdown(skills: Mapping[str, Mapping[str, float]], corner: str) -> str:
    """A row per answer, a column per task; empty without skills."""
    if not skills:
        return ""
    labels = list(next(iter(skills.values())))
    titles = " | ".join(f"`{task_id.split('/')[1]}`" for task_id in skills)
    lines = [f"| {corner} | {titles} |"]
    lines.append("|---|" + "--:|" * len(skills))
    lines += [f"| {label} | {' | '.join(f'{skill[label]:.2f}' for skill in skills.values())} |" for label in labels]
    return "\n".join(lines)


def measurable_tasks() -> list[str]:
    """Tasks that ask for the components of a circuit and have base models."""
    return [task.id for task in circuit_tasks()]


def chapters(results: Mapping[str, Measured]) -> list[str]:
    """The tables with content."""
    tables = {
        "": methods_markdown({task_id: result.methods for task_id, result in results.items()}),
        "## Reference solutions": skills_markdown(_non_empty(results, "reference"), "reference"),
        "## One scan": skills_markdown(_non_empty(results, "scans"), "skill"),
        "## Cheap answers": skills_markdown(_non_empty(results, "cheap"), "skill"),
    }
    return [part for title, table in tables.items() if table for part in (title, table) if part]


def _non_empty(results: Mapping[str, Measured], field: str) -> dict[str, dict[str, float]]:
    return {task_id: getattr(result, field) for task_id, result in results.items() if getattr(result, field)}


def main() -> None:
    """Measure and print."""
    parser = instance_options(__doc__, "all circuit tasks with base models", 10)
    parser.add_argument("--reference", action="store_true", help="also run the reference solutions")
    parser.add_argument("--write", action="store_true", help=f"put the tables into {DOCUMENT}")
    options = parser.parse_args()
    tasks = options.tasks or measurable_tasks()
    results = measure(tasks, options.instances, with_reference=options.reference, jobs=options.jobs)
    head = f"Means over {options.instances} fresh instances (seeds from {FIRST_SEED})."
    text = "\n\n".join([head, *chapters(results)])
    print(text)
    if options.write:
        path = suite_root() / DOCUMENT
        path.write_text(with_table(path.read_text(), MARKERS, text))


if __name__ == "__main__":
    main()
