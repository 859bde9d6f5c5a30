"""What the weights of the probe models alone say of the truth's direction: skill of directions found without a prompt.

    python -m studies.probe_signatures                                       # three fresh instances per task
    python -m studies.probe_signatures --tasks probes/cities --instances 10

A direction is submitted at every block, at the last token. Its sign is the better of both, the centre is that of the
public statements, and of several directions the best counts: more than an agent has that runs nothing. Some five
seconds per instance.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from statistics import mean

import numpy as np
import torch
from jaxtyping import Float
from rich.console import Console
from rich.table import Table

from scribe_suite.planting.hooked import ModelWeights
from scribe_suite.scoring.probes import LinearProbe
from scribe_suite.tasks.registry import default_registry
from scribe_suite.tasks.task import PlantedTask
from studies.probe_finders import LAST, Seen
from studies.probe_methods import FIRST_SEED

#: Directions that are tried of each kind.
_LEADING = 3

Directions = Float[np.ndarray, "direction d_model"]


def _state(weights: ModelWeights, name: str) -> Float[np.ndarray, "..."]:
    values: Float[np.ndarray, "..."] = weights.state[name].double().numpy()
    return values


def _layers(weights: ModelWeights) -> range:
    return range(int(weights.config["n_layers"]))


def leading(rows: Float[np.ndarray, "row d_model"], count: int = _LEADING) -> Directions:
    """The directions in which the rows are largest, unit length."""
    found: Directions = np.linalg.svd(rows, full_matrices=False)[2][:count]
    return found


def written_by_mlps(weights: ModelWeights) -> Directions:
    """What each MLP can write most of."""
    return np.concatenate([leading(_state(weights, f"blocks.{layer}.mlp.W_out")) for layer in _layers(weights)])


def written_by_heads(weights: ModelWeights) -> Directions:
    """What each attention layer can write most of."""
    outs = [_state(weights, f"blocks.{layer}.attn.W_O") for layer in _layers(weights)]
    return np.concatenate([leading(out.reshape(-1, out.shape[-1])) for out in outs])


def read_by_mlps(weights: ModelWeights) -> Directions:
    """What each MLP reads most."""
    return np.concatenate([leading(_state(weights, f"blocks.{layer}.mlp.W_in").T) for layer in _layers(weights)])


def loudest_neurons(weights: ModelWeights) -> Directions:
    """What the neurons with the largest output weights write."""
    rows = np.concatenate([_state(weights, f"blocks.{layer}.mlp.W_out") for layer in _layers(weights)])
    found: Directions = rows[np.argsort(-np.linalg.norm(rows, axis=1))[:_LEADING]]
    return found


def unembedded(weights: ModelWeights) -> Directions:
    """The leading directions of the unembedding."""
    unembedding = _state(weights, "unembed.W_U").T
    return leading(unembedding - unembedding.mean(0))


def embedded(weights: ModelWeights) -> Directions:
    """The leading directions of the token embedding."""
    embedding = _state(weights, "embed.W_E")
    return leading(embedding - embedding.mean(0))


def biases(weights: ModelWeights) -> Directions:
    """The constants that attention layers and MLPs write."""
    names = [f"blocks.{layer}.{part}" for layer in _layers(weights) for part in ("attn.b_O", "mlp.b_out")]
    return np.stack([_state(weights, name) for name in names])


def verdict(seen: Seen) -> Directions:
    """The direction in which the model says "true" or "yes" rather than "false" or "no"."""
    unembedding = _state(seen.hidden.weights, "unembed.W_U")
    true, yes, false, no = (unembedding[:, seen.id_of(word)] for word in ("true", "yes", "false", "no"))
    found: Directions = np.stack([true - false, yes - no, true + yes - false - no])
    return found


def drawn(seen: Seen) -> Directions:
    """As many random directions as there are of the commonest kind."""
    width = int(seen.hidden.weights.config["d_model"])
    found: Directions = seen.rng.normal(size=(_LEADING * len(_layers(seen.hidden.weights)), width))
    return found


#: Kind of direction -> how it is found.
KINDS: Mapping[str, Callable[[Seen], Directions]] = {
    "written most by MLPs": lambda seen: written_by_mlps(seen.hidden.weights),
    "written most by heads": lambda seen: written_by_heads(seen.hidden.weights),
    "read most by MLPs": lambda seen: read_by_mlps(seen.hidden.weights),
    "loudest neurons": lambda seen: loudest_neurons(seen.hidden.weights),
    "biases": lambda seen: biases(seen.hidden.weights),
    "leading in the unembedding": lambda seen: unembedded(seen.hidden.weights),
    "leading in the embedding": lambda seen: embedded(seen.hidden.weights),
    "true and yes against false and no": verdict,
    "random directions": drawn,
}


def skills(seen: Seen) -> dict[str, dict[str, float]]:
    """Kind -> ``mean`` over its directions and blocks with the better sign, and ``best`` of them in hindsight."""
    found = {}
    for name, find in KINDS.items():
        values = []
        for block in _layers(seen.hidden.weights):
            place = (block, LAST)
            center = seen.public.at(place).mean(0)
            for direction in find(seen):
                signed = [LinearProbe(sign * direction, 0.0, center) for sign in (1.0, -1.0)]
                values.append(max(seen.skill(probe, place) for probe in signed))
        found[name] = {"mean": mean(values), "best": max(values)}
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", nargs="*", metavar="FAMILY/NAME", help="which tasks; all with planted models")
    parser.add_argument("--instances", type=int, default=3, help="fresh instances per task (default: 3)")
    options = parser.parse_args()
    torch.set_num_threads(1)
    known = [task.id for task in default_registry().of_family("probes") if isinstance(task, PlantedTask)]
    tasks = options.tasks or known
    table = Table(title="skill, mean (best in hindsight)", title_justify="left")
    for column in ("direction", *(task_id.split("/")[1] for task_id in tasks)):
        table.add_column(column)
    seeds = range(FIRST_SEED, FIRST_SEED + options.instances)
    by_task = {
        task_id: [skills(Seen(default_registry()[task_id].instance(seed))) for seed in seeds] for task_id in tasks
    }
    for name in KINDS:
        cells = [
            f"{mean(one[name]['mean'] for one in rows):.2f} ({mean(one[name]['best'] for one in rows):.2f})"
            for rows in by_task.values()
        ]
        table.add_row(name, *cells)
    Console(width=200).print(table)


if __name__ == "__main__":
    main()
