"""Black-box answers to `circuits/unknown_behaviour`: the model's function, and its likely nodes.

The task's answer is a function and a set of nodes. The function can be found from inputs and outputs. The nodes can't,
but the function reveals which kind of program a model runs, and programs of one kind are in similar places.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, cast

import numpy as np
import torch
from jaxtyping import Int
from sklearn.tree import DecisionTreeClassifier
from torch import Tensor

from scribe_suite.planting.circuits.causal import renamed_correspondence
from scribe_suite.planting.circuits.patchable import PatchableTransformer
from scribe_suite.planting.frozen import frozen_models
from scribe_suite.scoring.sets import best_fixed_set
from scribe_suite.tasks.task import TaskInstance

if TYPE_CHECKING:  # the registry makes ground_truth importable, and the script is run before it
    from ground_truth.circuits.planted.hidden import Hidden
    from ground_truth.circuits.planted.task import PlantedCircuitTask

_QUESTIONS = 20_000
_BATCH = 5_000
#: The largest number that fits into an answer.
_LEAVES = 400
_KEYS = 200

_TREE = """\
FEATURES = {features}
LEFT = {left}
RIGHT = {right}
LABELS = {labels}


def predict(prompts):
    found = []
    for prompt in prompts:
        node = 0
        while LEFT[node] >= 0:
            place, token = divmod(FEATURES[node], {tokens})
            node = RIGHT[node] if prompt[place] == token else LEFT[node]
        found.append(LABELS[node])
    return found
"""


def fitted_tree(instance: TaskInstance) -> str:
    """Code of a decision tree fitted to the model's labels on fresh prompts."""
    hidden: Hidden = instance.hidden
    generator = torch.Generator().manual_seed(instance.seed)
    prompts = torch.cat([hidden.causal.sample(_BATCH, generator) for _ in range(_QUESTIONS // _BATCH)])
    labels = _asked(hidden, prompts)
    tokens = hidden.causal.d_vocab
    seen = torch.nn.functional.one_hot(prompts, tokens).flatten(1).numpy().astype(np.float32)
    tree = DecisionTreeClassifier(max_leaf_nodes=_LEAVES, random_state=0).fit(seen, labels).tree_
    votes = tree.value[:, 0].argmax(-1)
    listed = [np.unique(labels)[vote].item() for vote in votes]
    parts = {"features": tree.feature, "left": tree.children_left, "right": tree.children_right}
    return _TREE.format(tokens=tokens, labels=listed, **{name: part.tolist() for name, part in parts.items()}).replace(
        ", ", ","
    )


@torch.no_grad()
def _asked(hidden: Hidden, prompts: Int[Tensor, "n ctx"]) -> Int[np.ndarray, " n"]:
    """The model's label at its only labelled position."""
    network = PatchableTransformer.from_weights(hidden.weights)
    (position,) = hidden.causal.labelled
    starts = range(0, len(prompts), _BATCH)
    said = [network(prompts[start : start + _BATCH])[0][:, position].argmax(-1) for start in starts]
    answers: Int[np.ndarray, " n"] = torch.cat(said).numpy()
    return answers


def exact_function(instance: TaskInstance) -> str:
    """Code of the model's program, which enough queries would find."""
    code: str = instance.task.oracle_answer(instance)["code"]
    return code


def nodes_by_program(instance: TaskInstance) -> list[str]:
    """The best fixed set of nodes over instances whose models run a program of the same kind."""
    task = cast("PlantedCircuitTask", instance.task)
    return sorted(_best_nodes(task, _kind(task, instance.base_model)))


def _kind(task: PlantedCircuitTask, base_model: str) -> str:
    return type(task.plan(frozen_models(task)[base_model].record.seed).causal).__name__


@cache
def _best_nodes(task: PlantedCircuitTask, kind: str) -> frozenset[str]:
    from ground_truth.circuits.planted.draws import symmetry_of

    keys: list[frozenset[str]] = []
    for seed in range(_KEYS):
        base = task.choose(seed)
        if _kind(task, base.name) != kind:
            continue
        symmetry = symmetry_of(task.id, base.weights.config, seed)
        keys.append(task.key(renamed_correspondence(task.plan(base.seed).correspondence, symmetry)))
    return best_fixed_set(keys)
