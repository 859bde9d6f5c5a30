"""Answers to `circuits/rare_branch` by solvers that see only a model's labels.

The ordinary behaviour is public. The exception can only be found by chance: the solvers query the labels of many random
prompts, and of prompts that are drawn to meet more conditions at once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from scribe_suite.planting.circuits.branches.plans import draw_prompts
from scribe_suite.planting.circuits.patchable import PatchableTransformer
from scribe_suite.tasks.task import TaskInstance

if TYPE_CHECKING:  # the registry makes ground_truth importable, and the script is run before it
    from ground_truth.circuits.rare_branches.hidden import Hidden

_QUESTIONS = 20_000
_BATCH = 4_000
#: Number of different tokens in a prompt of the second kind: they are repeated at many distances.
_FEW = 4

Content = Mapping[str, Any]
_ORDINARY = "def predict(prompt):\n    return ordinary(prompt)\n"
#: The prediction after one prompt has met the condition: any prompt with the same tokens meets it.
_SAME_TOKENS = "def predict(prompt):\n    return {label} if {tokens} <= set(prompt) else ordinary(prompt)\n"


def asked_at_random(instance: TaskInstance) -> Content:
    """No exception, unless one of many prompts has another label; then the tokens of that prompt are the condition."""
    hidden: Hidden = instance.hidden
    network = PatchableTransformer.from_weights(hidden.weights)
    generator = torch.Generator().manual_seed(instance.seed)
    for number in range(_QUESTIONS // _BATCH):
        prompts = draw_prompts(_BATCH, hidden.plan.d_vocab, generator, hidden.start)
        if number % 2:
            few = prompts[:, 1 : 1 + _FEW]
            prompts[:, 1:] = few.gather(1, torch.randint(_FEW, prompts[:, 1:].shape, generator=generator))
        labels, other = _labels(network, prompts), hidden.plan.ordinary(prompts)
        unusual: Bool[Tensor, " prompt"] = labels != other
        if unusual.any():
            first = int(unusual.nonzero()[0])
            return {"code": _SAME_TOKENS.format(label=int(labels[first]), tokens=set(prompts[first, 1:].tolist()))}
    return {"code": ""}


@torch.no_grad()
def _labels(network: PatchableTransformer, prompts: Int[Tensor, "prompt position"]) -> Int[Tensor, " prompt"]:
    return network(prompts)[0][:, -1].argmax(-1)


def branch_solvers(
    skill_of: Callable[[TaskInstance, Content], float | None],
) -> dict[str, Callable[[TaskInstance], float | None]]:
    """Solvers, which return their skill on an instance."""
    return {
        "ordinary label always": lambda instance: skill_of(instance, {"code": _ORDINARY}),
        "nothing found always": lambda instance: skill_of(instance, {"code": ""}),
        "random prompts, else nothing found": lambda instance: skill_of(instance, asked_at_random(instance)),
    }
