"""Answers to `circuits/mechanism` that know the function that the model computes, but not its mechanism.

    python -m studies.mechanism_answers --tasks circuits/mechanism_3 --instances 3

The solvers are given the right function of a prompt, because enough queries would find it. They have to guess the
effect of a patch. Run as a program, the module also fits trees: to plain prompts, ignoring the patch, and to patched
ones, with the tokens of both prompts and the patched nodes as features. The trees could not be submitted as answers,
which only makes them stronger.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from statistics import mean
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from jaxtyping import Int
from sklearn.ensemble import ExtraTreesClassifier

from scribe_suite.planting.circuits.programs.triples import Triples, draw_triples, program_labels
from scribe_suite.scoring.mechanism import score_mechanism
from scribe_suite.scoring.submitted_function import FunctionResult
from scribe_suite.tasks.task import TaskInstance
from studies.instances import instance_options, measured_instances

if TYPE_CHECKING:  # the registry makes ground_truth importable, and the script is run before it
    from ground_truth.circuits.mechanisms.hidden import Hidden

FIRST_SEED = 8000
#: Numbers of triples in each stratum, and of plain prompts, to which trees are fitted; far more than any laboratory
#: grants.
_FITTED, _PLAIN = 2000, 12_000
_TREES = 30

#: Code appended to the right answer: every patch is ignored.
_BLIND = {
    "exact function, patch ignored": "return _right(base, base, [])",
    "exact function of the source": "return _right(source, source, [])",
    "exact function, of the source where most nodes are patched": (
        "return _right(source, source, []) if len(patched) > {half} else _right(base, base, [])"
    ),
}
_TEMPLATE = """

_right = predict


def predict(base, source, patched):
    {body}
"""


def black_box_answers(instance: TaskInstance) -> Mapping[str, Mapping[str, Any]]:
    """Name of a solver -> the content of its answer."""
    right, half = instance.task.oracle_answer(instance)["code"], len(instance.public.facts["components"]) // 2
    return {name: {"code": right + _TEMPLATE.format(body=body.format(half=half))} for name, body in _BLIND.items()}


def black_box_solvers(
    skill_of: Callable[[TaskInstance, Mapping[str, Any]], float | None],
) -> dict[str, Callable[[TaskInstance], float | None]]:
    """The same as solvers, which return their skill on an instance."""

    def solver(name: str) -> Callable[[TaskInstance], float | None]:
        return lambda instance: skill_of(instance, black_box_answers(instance)[name])

    return {name: solver(name) for name in _BLIND}


def tree_skills(instance: TaskInstance) -> dict[str, float]:
    """The skill of trees that are fitted to the model's labels, with and without patches."""
    hidden: Hidden = instance.hidden
    nodes = instance.public.facts["components"]
    generator = torch.Generator().manual_seed(instance.seed)
    prompts = hidden.causal.sample(_PLAIN, generator)
    plain = _fitted(_one_hot(hidden, prompts), hidden.causal.run(prompts).labels[:, 0])
    triples = draw_triples(hidden.causal, hidden.correspondence, nodes, _FITTED, instance.seed + 1)
    patched = _fitted(_features(hidden, triples, nodes), program_labels(hidden.causal, triples))
    return {
        "trees on plain prompts, patch ignored": _skill(
            hidden, plain.predict(_one_hot(hidden, hidden.triples.pairs.base))
        ),
        "trees on patched prompts": _skill(hidden, patched.predict(_features(hidden, hidden.triples, nodes))),
    }


def _skill(hidden: Hidden, labels: Int[np.ndarray, " triple"]) -> float:
    result = FunctionResult(tuple((int(label),) for label in labels))
    return score_mechanism(result, hidden.truth, hidden.ceiling).skill


def _fitted(features: np.ndarray, labels: torch.Tensor) -> ExtraTreesClassifier:
    return ExtraTreesClassifier(_TREES, min_samples_leaf=2, random_state=0).fit(features, labels.numpy())


def _one_hot(hidden: Hidden, prompts: torch.Tensor) -> np.ndarray:
    return torch.nn.functional.one_hot(prompts, hidden.causal.d_vocab).flatten(1).numpy().astype(np.float32)


def _features(hidden: Hidden, triples: Triples, nodes: Sequence[str]) -> np.ndarray:
    number = {node: index for index, node in enumerate(nodes)}
    flags = np.zeros((len(triples.patched), len(nodes)), dtype=np.float32)
    for row, names in enumerate(triples.patched):
        flags[row, [number[name] for name in names]] = 1
    pairs = triples.pairs
    return np.concatenate([_one_hot(hidden, pairs.base), _one_hot(hidden, pairs.source), flags], 1)


def measure_instance(task_id: str, seed: int) -> dict[str, float]:
    """Solver -> skill on one fresh instance."""
    from scribe_suite.tasks.registry import default_registry
    from studies.black_box import skill_of

    instance = default_registry()[task_id].instance(seed)
    found = {name: solve(instance) for name, solve in black_box_solvers(skill_of).items()}
    return {**cast("dict[str, float]", found), **tree_skills(instance)}


def main() -> None:
    """Measure and print."""
    options = instance_options(__doc__, "those of circuits/mechanism", 3).parse_args()
    tasks = options.tasks or ["circuits/mechanism", "circuits/mechanism_2", "circuits/mechanism_3"]
    seeds = dict.fromkeys(tasks, range(FIRST_SEED, FIRST_SEED + options.instances))
    for task_id, found in measured_instances(measure_instance, seeds, options.jobs):
        for name in found[0]:
            skills = [row[name] for row in found]
            print(f"{task_id}: {name}: {mean(skills):.2f}, highest {max(skills):.2f}")


if __name__ == "__main__":
    main()
