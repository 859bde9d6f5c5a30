"""Scores of well-known methods on the wiring in `circuits/edges`: exact path patching, EAP, EAP-IG.

    python -m studies.edge_methods                       # both levels with weights, six fresh instances each
    python -m studies.edge_methods --instances 12 --write     # and into docs/reference/methods.md

EAP is edge attribution patching (Syed et al. 2023, arXiv 2310.10348): the writer's output on the source minus its
output on the base, times the gradient of a metric at the reader's input. EAP-IG (Hanna et al. 2024, arXiv 2403.17806)
averages the gradient over inputs between the source's embedding and the base's. The metric is the logit of the base's
label minus that of the source's label, as in the pairs. Signed scores are averaged over pairs, and edges are ranked by
the absolute value of the mean.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from statistics import mean

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from ground_truth.circuits.edges import Edges
from scribe_suite.paths import suite_root
from scribe_suite.planting.circuits.interchange import Pairs, draw_pairs
from scribe_suite.planting.circuits.patchable import PatchableTransformer
from scribe_suite.planting.circuits.wiring.edges import EMBED, HEAD_ROLES, Edge, edges_between
from scribe_suite.planting.circuits.wiring.paths import PathPatched
from scribe_suite.scoring.normalise import normalised_skill
from scribe_suite.scoring.sets import f1
from scribe_suite.tasks.registry import default_registry
from scribe_suite.tasks.task import TaskInstance
from scribe_suite.text import with_table
from studies.degenerate import auroc
from studies.edge_answers import ranked_edges
from studies.instances import instance_options, measured_instances

FIRST_SEED = 7000
DOCUMENT = "docs/reference/methods.md"
MARKERS = ("<!-- tables: written by studies/edge_methods.py -->", "<!-- end of the edges' tables -->")
COLUMNS = ("AUROC", "F1, as many as there are", "F1, best threshold in hindsight", "skill of that")
_PAIRS = 96
#: Number of inputs between source and base.
_STEPS = 5

#: Edge -> score.
EdgeScore = Mapping[str, float]


class _Probed:
    """A differentiable run of a network in which every input of every node can be perturbed."""

    def __init__(self, network: PatchableTransformer, embedded: Tensor, receivers: Sequence[str]) -> None:
        self.pushes = {name: torch.zeros_like(embedded, requires_grad=True) for name in receivers}
        self.writes: dict[str, Tensor] = {EMBED: embedded}
        shape, stream = network.shape, embedded
        for layer in range(shape.n_layers):
            written = []
            for head in range(shape.n_heads):
                node = f"a{layer}.h{head}"
                q, k, v = (
                    self._pushed(stream, f"{node}.{role}") @ getattr(network, f"W_{role.upper()}")[layer, head]
                    + getattr(network, f"b_{role.upper()}")[layer, head]
                    for role in HEAD_ROLES
                )
                z = functional.scaled_dot_product_attention(q, k, v, is_causal=True, scale=1 / math.sqrt(shape.d_head))
                self.writes[node] = z @ network.W_O[layer, head]
                written.append(self.writes[node])
            stream = stream + torch.stack(written).sum(0) + network.b_O[layer]
            self.writes[f"m{layer}"] = network._mlp(layer, self._pushed(stream, f"m{layer}"))
            stream = stream + self.writes[f"m{layer}"]
        self.logits = stream[:, -1] @ network.W_U + network.b_U

    def _pushed(self, stream: Tensor, receiver: str) -> Tensor:
        return stream + self.pushes[receiver] if receiver in self.pushes else stream


def attributed(network: PatchableTransformer, pairs: Pairs, edges: Sequence[Edge], steps: int) -> EdgeScore:
    """EAP, or with more than one step EAP-IG on inputs.

    Args:
        network: A network without LayerNorm.
        pairs: Base and source prompts.
        edges: The edges to score.
        steps: Number of inputs at which gradients are taken; with one, it is the base itself.
    """
    receivers = list(dict.fromkeys(edge.receiver for edge in edges))
    here, there = (_embedded(network, tokens) for tokens in (pairs.base, pairs.source))
    runs = [_Probed(network, embedded, receivers) for embedded in (here, there)]
    differences = {node: (runs[1].writes[node] - runs[0].writes[node]).detach() for node in runs[0].writes}
    right, other = (run.logits.argmax(-1) for run in runs)
    gradients: dict[str, Tensor] = {name: torch.zeros_like(here) for name in receivers}
    for step in range(1, steps + 1):
        run = _Probed(network, there + (here - there) * step / steps, receivers)
        rows = torch.arange(len(here))
        (run.logits[rows, right] - run.logits[rows, other]).sum().backward()  # type: ignore[no-untyped-call]
        for name, push in run.pushes.items():
            assert push.grad is not None
            gradients[name] += push.grad / steps
    return {
        str(edge): abs(float((differences[edge.writer] * gradients[edge.receiver]).sum((1, 2)).mean()))
        for edge in edges
    }


def _embedded(network: PatchableTransformer, tokens: Int[Tensor, "prompt position"]) -> Float[Tensor, "..."]:
    return (network.W_E[tokens] + network.W_pos[: tokens.shape[1]]).detach()


def path_patched(network: PatchableTransformer, pairs: Pairs, edges: Sequence[Edge]) -> EdgeScore:
    """The share of labels that change along each edge."""
    paths = PathPatched(network, pairs)
    return {str(edge): paths.effect([edge]) for edge in edges}


METHODS: Mapping[str, Callable[[PatchableTransformer, Pairs, Sequence[Edge]], EdgeScore]] = {
    "exact path patching": path_patched,
    "EAP": lambda network, pairs, edges: attributed(network, pairs, edges, 1),
    "EAP-IG": lambda network, pairs, edges: attributed(network, pairs, edges, _STEPS),
}


def row(score: EdgeScore, key: frozenset[str], chance: float) -> dict[str, float]:
    """The columns of the table, for one method on one instance."""
    ranked = sorted(score, key=lambda edge: -score[edge])
    best = max(f1(frozenset(ranked[:count]), key) for count in range(1, len(ranked) + 1))
    values = (auroc(score, key), f1(frozenset(ranked[: len(key)]), key), best, normalised_skill(best, chance, 1.0))
    return dict(zip(COLUMNS, values, strict=True))


def measure_instance(task_id: str, seed: int) -> dict[str, dict[str, float]]:
    """Method -> column -> value, on one fresh instance; rankings by weights submit as many edges as the key has."""
    task = default_registry()[task_id]
    assert isinstance(task, Edges)
    instance = task.instance(seed)
    hidden, edges = instance.hidden, edges_between(instance.public.facts["nodes"])
    network = PatchableTransformer.from_weights(hidden.weights).requires_grad_(requires_grad=False)
    pairs = draw_pairs(hidden.causal, _PAIRS, torch.Generator().manual_seed(seed))
    found = {
        name: row(method(network, pairs, edges), hidden.key, task.blind.chance) for name, method in METHODS.items()
    }
    return {**found, **_by_weights(instance, task.blind.chance)}


def _by_weights(instance: TaskInstance, chance: float) -> dict[str, dict[str, float]]:
    rankings = {name: frozenset(edges) for name, edges in ranked_edges(instance).items()}
    key = instance.hidden.key
    chosen = {name: f1(rankings[f"most {name}"], key) for name in ("composition", "product", "read")}
    return {
        f"weights alone: {name}": {COLUMNS[1]: value, COLUMNS[3]: normalised_skill(value, chance, 1.0)}
        for name, value in chosen.items()
    }


def table(results: Mapping[str, Mapping[str, Mapping[str, float]]]) -> str:
    """A row per task and method."""
    lines = [f"| task | method | {' | '.join(COLUMNS)} |", "|---|---|" + "--:|" * len(COLUMNS)]
    for task_id, methods in results.items():
        for method, values in methods.items():
            cells = " | ".join(f"{values[column]:z.2f}" if column in values else "" for column in COLUMNS)
            lines.append(f"| `{task_id.split('/')[1]}` | {method} | {cells} |")
    return "\n".join(lines)


def mean_of(rows: Sequence[Mapping[str, Mapping[str, float]]]) -> dict[str, dict[str, float]]:
    """Means over instances."""
    return {
        method: {column: mean(one[method][column] for one in rows) for column in values}
        for method, values in rows[0].items()
    }


def main() -> None:
    """Measure, print, and write where asked."""
    parser = instance_options(__doc__, "both levels with weights", 6)
    parser.add_argument("--write", action="store_true", help=f"write the table in {DOCUMENT}")
    options = parser.parse_args()
    tasks = options.tasks or ["circuits/edges", "circuits/edges_2"]
    seeds = dict.fromkeys(tasks, range(FIRST_SEED, FIRST_SEED + options.instances))
    found = {name: mean_of(rows) for name, rows in measured_instances(measure_instance, seeds, options.jobs)}
    print(table(found))
    if options.write:
        document = suite_root() / DOCUMENT
        document.write_text(with_table(document.read_text(), MARKERS, table(found)))


if __name__ == "__main__":
    main()
