"""What tests of single circuit tasks ask of a causal model, and of an instance whose model nobody has trained."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor

from ground_truth.circuits.planted.base import Base
from scribe_suite.planting.circuits.causal import CausalModel, interchanged
from scribe_suite.planting.circuits.patchable import PatchableTransformer
from scribe_suite.tasks.task import TaskInstance


def labels_after(causal: CausalModel, base: Tensor, source: Tensor, *variables: str) -> Int[Tensor, "prompt labelled"]:
    """The labels of prompts in which some variables have the values of other prompts."""
    chosen = torch.tensor([[name in variables for name in causal.variables]])
    return interchanged(causal, base, source, chosen).labels


def label_after(causal: CausalModel, base: Tensor, source: Tensor, *variables: str) -> int:
    """The same where there is one prompt with one label."""
    return labels_after(causal, base, source, *variables).item()


def untrained_instance(task: Any, seed: int, base_seed: int = 0) -> TaskInstance:
    """An instance with the names and the data of `seed`, and random weights."""
    plan = task.plan(base_seed)
    weights = PatchableTransformer(plan.shape, 0).to_weights()
    return task.instance_of(Base(f"{task.id}/seed{base_seed}", base_seed, weights, plan.correspondence), seed)
