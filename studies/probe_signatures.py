"""Skill of directions found in the weights of probe models without prompts: do weights reveal the truth's direction?

    python -m studies.probe_signatures                                       # ten fresh instances per task
    python -m studies.probe_signatures --tasks probes/cities --instances 3
    python -m studies.probe_signatures --write                               # into the document

A direction is submitted at every block, at the last token. The better sign counts; the centre is the mean of the
public statements. An instance takes about ten seconds.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from statistics import mean

import numpy as np
import torch
from jaxtyping import Float
from rich.progress import track

from scribe_suite.paths import suite_root
from scribe_suite.planting.hooked import ModelWeights
from scribe_suite.scoring.probes import LinearProbe
from scribe_suite.tasks.registry import default_registry
from scribe_suite.tasks.task import PlantedTask
from scribe_suite.text import with_table
from studies.probe_finders import LAST, Seen
from studies.probe_methods import FIRST_SEED

DOCUMENT = "docs/truth/probes.md"
MARKERS = ("<!-- signatures: written by studies/probe_signatures.py -->", "<!-- end of signatures -->")
#: Number of directions of each kind.
_LEADING = 3

Directions = Float[np.ndarray, "direction d_model"]


def _state(weights: ModelWeights, name: str) -> Float[np.ndarray, "..."]:
    values: Float[np.ndarray, "..."] = weights.state[name].double().numpy()
    return values


def _layers(weights: ModelWeights) -> range:
    return range(int(weights.config["n_layers"]))


def leading(rows: Float[np.ndarray, "row d_model"], count: int = _LEADING) -> Directions:
    """The unit directions in which the rows are largest."""
    found: Directions = np.linalg.svd(rows, full_matrices=False)[2][:count]
    return found


def written_by_mlps(weights: ModelWeights) -> Directions:
    """The directions that each MLP can write most strongly."""
    return np.concatenate([leading(_state(weights, f"blocks.{layer}.mlp.W_out")) for layer in _layers(weights)])


def written_by_heads(weights: ModelWeights) -> Directions:
    """The directions that each attention layer can write most strongly."""
    outs = [_state(weights, f"blocks.{layer}.attn.W_O") for layer in _layers(weights)]
    return np.concatenate([leading(out.reshape(-1, out.shape[-1])) for out in outs])


def read_by_mlps(weights: ModelWeights) -> Directions:
    """The directions that each MLP reads most strongly."""
    return np.concatenate([leading(_state(weights, f"blocks.{layer}.mlp.W_in").T) for layer in _layers(weights)])


def loudest_neurons(weights: ModelWeights) -> Directions:
    """The output weights of the neurons with the largest ones."""
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
    """The direction that makes the model answer "true" or "yes" rather than "false" or "no"."""
    unembedding = _state(seen.hidden.weights, "unembed.W_U")
    true, yes, false, no = (unembedding[:, seen.id_of(word)] for word in ("true", "yes", "false", "no"))
    found: Directions = np.stack([true - false, yes - no, true + yes - false - no])
    return found


def drawn(seen: Seen) -> Directions:
    """As many random directions as the most frequent kind has."""
    width = int(seen.hidden.weights.config["d_model"])
    found: Directions = seen.rng.normal(size=(_LEADING * len(_layers(seen.hidden.weights)), width))
    return found


#: Kind of direction -> function that finds it.
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


def skills(seen: Seen) -> dict[str, dict[tuple[int, int], float]]:
    """Kind -> (number of the direction, block) -> skill there, with the better sign."""
    found: dict[str, dict[tuple[int, int], float]] = {}
    for name, find in KINDS.items():
        found[name] = {}
        for block in _layers(seen.hidden.weights):
            place = (block, LAST)
            center = seen.public.at(place).mean(0)
            for number, direction in enumerate(find(seen)):
                signed = [LinearProbe(sign * direction, 0.0, center) for sign in (1.0, -1.0)]
                found[name][number, block] = max(seen.skill(probe, place) for probe in signed)
    return found


def summary(rows: Sequence[Mapping[tuple[int, int], float]]) -> dict[str, float]:
    """Summary of the skill of directions of a kind over instances.

    Args:
        rows: The skills of each instance, as in `skills`.

    Returns:
        ``mean`` over all; ``fixed``, the best mean for a fixed direction and block; ``best``, the mean of the best
        skill in each instance.
    """
    return {
        "mean": mean(mean(row.values()) for row in rows),
        "fixed": max(mean(row[key] for row in rows) for key in rows[0]),
        "best": mean(max(row.values()) for row in rows),
    }


def measure(task_id: str, instances: int) -> dict[str, dict[str, float]]:
    """Kind -> its `summary` over fresh instances of a task."""
    task = default_registry()[task_id]
    found = [skills(Seen(task.instance(seed))) for seed in range(FIRST_SEED, FIRST_SEED + instances)]
    return {name: summary([one[name] for one in found]) for name in KINDS}


def as_table(measured: Mapping[str, Mapping[str, Mapping[str, float]]]) -> str:
    """A Markdown table: a row per kind of direction, a column per task."""
    names = [task_id.split("/")[1] for task_id in measured]
    width = len(names)
    lines = ["| direction | " + " | ".join(f"`{name}`" for name in names) + " |", "|---" + "|--:" * width + "|"]
    for kind in KINDS:
        cells = [" / ".join(f"{one[kind][key]:.2f}" for key in ("mean", "fixed", "best")) for one in measured.values()]
        lines.append(f"| {kind} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", nargs="*", metavar="FAMILY/NAME", help="which tasks; all with planted models")
    parser.add_argument("--instances", type=int, default=10, help="fresh instances per task (default: 10)")
    parser.add_argument("--write", action="store_true", help=f"put the table into {DOCUMENT}; all tasks")
    options = parser.parse_args()
    if options.write and options.tasks:
        parser.error("--write needs all tasks: leave --tasks out")
    torch.set_num_threads(1)
    known = [task.id for task in default_registry().of_family("probes") if isinstance(task, PlantedTask)]
    measured = {task_id: measure(task_id, options.instances) for task_id in track(options.tasks or known, "Measuring")}
    print("mean / always the same direction and block / best of each instance\n")
    print(as_table(measured))
    if options.write:
        path = suite_root() / DOCUMENT
        path.write_text(with_table(path.read_text(), MARKERS, as_table(measured)))


if __name__ == "__main__":
    main()
