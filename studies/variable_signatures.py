"""Can static statistics tell what `variables/used` and `variables/algorithm` ask? A two-sample test.

    python -m studies.variable_signatures             # all levels
    python -m studies.variable_signatures --write     # and into docs/truth/variables.md

No experiment is made: weights and activations of ordinary prompts are all there is. In `used`, properties that are read
are compared with the others of their model; in `algorithm`, heads that carry a sum with an effect with other carriers.
0.5 is no information. Products of weights up to the logits tell much wherever weights are handed over; the table keeps
them apart from the rest.

The other two tasks have no two samples. In `subspace` the instance's seed alone decides which variable is asked for,
and in `encoding` every model has a code.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.stats import kurtosis

from scribe_suite.paths import suite_root
from scribe_suite.planting.circuits.signatures.table import Group, Signatures, node_signatures
from scribe_suite.planting.frozen import FrozenModel, frozen_models
from scribe_suite.planting.hooked import build_model
from scribe_suite.planting.variables.certificate import PLANTED
from scribe_suite.planting.variables.plans import Plan, draw_prompts
from scribe_suite.planting.variables.sums import SumPlan
from scribe_suite.planting.variables.used.plans import UsedPlan
from scribe_suite.tasks.registry import default_registry
from scribe_suite.text import with_table
from studies.exchangeability import Sample, Separation, families, separations

DOCUMENT = "docs/truth/variables.md"
MARKERS = ("<!-- signatures: written by studies/variable_signatures.py -->", "<!-- end of signatures -->")
_PROMPTS, _FEW = 3000, 64
#: The seed of prompts.
_SEED = 5
_RIDGE = 1e-2

Matrix = Float[np.ndarray, "row column"]


def property_table(model: FrozenModel, plan: Plan) -> Signatures:
    """Statistics of each variable of a plan at the place where all are kept, from what labels say and weights."""
    weights, network = model.weights, build_model(model.weights)
    prompts = draw_prompts(_PROMPTS, len(plan.classes), torch.Generator().manual_seed(_SEED))
    name = f"blocks.{PLANTED.layer}.hook_{PLANTED.site}"
    with torch.no_grad():
        cache_ = network.run_with_cache(prompts, names_filter=name, return_type=None)[1]
    here = cache_[name][:, PLANTED.position].double().numpy()
    values, combinations = plan.variables(prompts).numpy(), np.array(plan.combinations)
    later = f"blocks.{PLANTED.layer + 1}.mlp."
    reads, writes, says = (
        weights.state[key].double().numpy() for key in (f"{later}W_in", f"{later}W_out", "unembed.W_U")
    )
    effects = _effects(here, values, prompts)
    rows = []
    for number in range(plan.n_variables):
        groups, of_label = values[:, number], combinations[:, number]
        contrast = np.stack([says[:, of_label == value].mean(1) for value in range(plan.values)], 1)
        contrast -= contrast.mean(1, keepdims=True)
        means = np.stack([here[groups == value].mean(0) for value in range(plan.values)])
        means -= means.mean(0)
        probe = _probe(here, groups, plan.values)
        row = {
            ("activations", "size of the differences of means"): np.linalg.norm(means),
            ("activations", "share of the variance"): np.square(means).sum() / here.var(0).sum(),
            ("activations", "size of a probe"): np.linalg.norm(probe),
            ("activations", "kurtosis along a probe"): float(np.mean(kurtosis(here @ probe.T, axis=0))),
            ("activations", "size of what regression leaves it"): np.linalg.norm(effects[number]),
        }
        for title, directions in (
            ("differences of means", means),
            ("a probe", probe),
            ("what regression leaves it", effects[number]),
        ):
            unit = directions / np.linalg.norm(directions)
            # the size of a neuron is arbitrary: only the product of what it reads and writes is not
            row["composition", f"neurons that read {title}"] = np.linalg.norm(
                (unit @ reads) * np.linalg.norm(writes, axis=1)
            )
            row["unembedding", f"{title}, through the next MLP, to its own logits"] = np.linalg.norm(
                unit @ reads @ writes @ contrast
            )
        rows.append(row)
    columns = list(rows[0])
    return Signatures(
        nodes=tuple(f"L{PLANTED.layer}.N{number}" for number in range(plan.n_variables)),
        statistics=tuple(statistic for _, statistic in columns),
        groups=tuple(_group(group) for group, _ in columns),
        values=np.array([[float(row[column]) for column in columns] for row in rows]),
    )


def _group(name: str) -> Group:
    known: Mapping[str, Group] = {one: one for one in ("activations", "composition", "unembedding")}
    return known[name]


def _effects(
    here: Matrix, values: Int[np.ndarray, "prompt variable"], prompts: Int[torch.Tensor, "prompt position"]
) -> list[Matrix]:
    """What each variable adds to activations, by a ridge regression on all variables and on all tokens."""

    def one_hot(column: Int[np.ndarray, " prompt"]) -> Matrix:
        indicators = np.eye(int(column.max()) + 1)[column]
        centred: Matrix = indicators - indicators.mean(0)
        return centred

    blocks = [one_hot(column) for column in values.T]
    design = np.concatenate([*blocks, *(one_hot(column) for column in prompts.numpy().T)], 1)
    gram = design.T @ design + _RIDGE * np.eye(design.shape[1])
    found = np.linalg.solve(gram, design.T @ (here - here.mean(0)))
    ends = np.cumsum([block.shape[1] for block in blocks])
    return [one - one.mean(0) for one in np.split(found[: ends[-1]], ends[:-1])]


def _probe(here: Matrix, groups: Int[np.ndarray, " prompt"], values: int) -> Matrix:
    """The weights of a linear probe, by least squares."""
    wanted = np.eye(values)[groups]
    found: Matrix = np.linalg.lstsq(here - here.mean(0), wanted - wanted.mean(0), rcond=1e-6)[0].T
    return found


def carrier_table(model: FrozenModel, plan: SumPlan) -> Signatures:
    """The statistics of `planting.circuits.signatures` of all heads that carry a sum."""
    prompts = draw_prompts(_FEW, len(plan.classes), torch.Generator().manual_seed(_SEED))
    table = node_signatures(model.weights, prompts)["head"]
    names = [carrier.name for carrier in plan.carriers]
    rows = [table.nodes.index(name) for name in names]
    return replace(table, nodes=tuple(names), values=table.values[np.array(rows)])


def used_sample(task_id: str, model: FrozenModel) -> Sample:
    """Properties that are read where they are kept, against the others."""
    plan = UsedPlan.of_record(model.record.key)
    table = property_table(model, plan.plan)
    return Sample(task_id, model.name, {"property": table}, frozenset(table.nodes[number] for number in plan.used))


def algorithm_sample(task_id: str, model: FrozenModel) -> Sample:
    """Heads that carry a sum of the tree that is used, against heads that carry another."""
    plan = SumPlan.of_record(model.record.key)
    key = frozenset(head for of in plan.used for head in plan.heads(of))
    return Sample(task_id, model.name, {"head": carrier_table(model, plan)}, key)


SAMPLES: Mapping[str, Callable[[str, FrozenModel], Sample]] = {
    "used": used_sample,
    "algorithm": algorithm_sample,
}


def measured(name: str) -> list[Separation]:
    """How well every statistic separates the two samples, at each level of a task and over all of them.

    Models in which nothing is used have only one of the two samples, and are left out.
    """
    every = [facts.id for facts in default_registry().facts.values() if facts.name == name]
    samples = [
        SAMPLES[name](task_id, model)
        for task_id in every
        for model in frozen_models(default_registry().planted(task_id)).values()
    ]
    return separations([sample for sample in samples if sample.key])


def table(found: Mapping[str, Sequence[Separation]]) -> str:
    """For each task a row per level and group of statistics: number, range of AUROCs, and the farthest one."""
    lines = [
        "| level | statistics of | number | lowest and highest AUROC | farthest from 0.5 | told apart |",
        "|---|---|--:|---|---|---|",
        *(line for name, rows in found.items() for line in _lines(name, rows)),
    ]
    return "\n".join(lines)


def _lines(name: str, rows: Sequence[Separation]) -> Iterator[str]:
    parts: dict[tuple[str, str], list[Separation]] = {}
    for row in rows:
        parts.setdefault((row.task, row.group), []).append(row)
    for (task_id, group), own in parts.items():
        aurocs = [row.auroc for row in own]
        farthest = max(own, key=lambda row: abs(row.auroc - 0.5))
        level = f"`{name}`, all levels" if task_id == "all" else f"`{task_id.partition('/')[2]}`"
        said = "yes" if any(row.is_signature(families(rows)) for row in own) else "no"
        span, lead = f"{min(aurocs):.2f} to {max(aurocs):.2f}", f"{farthest.statistic} ({farthest.auroc:.2f})"
        yield f"| {level} | {group} | {len(own)} | {span} | {lead} | {said} |"


def main() -> None:
    """Measure, print, and write where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help=f"write the table in {DOCUMENT}")
    options = parser.parse_args()
    torch.set_num_threads(1)
    text = table({name: measured(name) for name in SAMPLES})
    print(text)
    if options.write:
        document = suite_root() / DOCUMENT
        document.write_text(with_table(document.read_text(), MARKERS, text))


if __name__ == "__main__":
    main()
