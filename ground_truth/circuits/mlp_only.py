"""Two MLPs, one after the other: the first finds a word's hidden group, the second turns it into the label.

No head matters. Easy on purpose: one scan of single-node patching finds the answer.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from jaxtyping import Int
from torch import Tensor

from ground_truth.circuits.planted.levels import laboratory
from ground_truth.circuits.planted.shapes import five_layers
from ground_truth.circuits.planted.task import PlantedCircuitTask
from scribe_suite.planting.circuits.causal import (
    CausalModel,
    CausalRun,
    Groups,
    Intervention,
    balanced_table,
    intervened,
    placements,
)
from scribe_suite.planting.circuits.plant_circuit import CircuitPlan
from scribe_suite.planting.circuits.siit import SiitRecipe

_WORDS, _GROUPS, _FLAVOURS, _LABELS, _LENGTH = 20, 4, 3, 5, 6


class GroupThenLabel(CausalModel):
    """At every position: ``u = group[token]``; ``out = table[u, flavour[token]]``.

    Within a flavour different groups have different labels, so that a wrong u always gives a wrong label.
    """

    variables = ("u", "out")
    edges = (("input", "u"), ("u", "out"), ("input", "out"), ("out", "output"))
    d_vocab, n_labels, n_ctx = _WORDS, _LABELS, _LENGTH
    labelled = tuple(range(_LENGTH))

    def __init__(self, seed: int) -> None:
        self.groups = {"words": range(_WORDS)}
        generator = torch.Generator().manual_seed(seed)
        self._group = balanced_table(_WORDS, _GROUPS, generator)
        self._flavour = balanced_table(_WORDS, _FLAVOURS, generator)
        columns = [torch.randperm(_LABELS, generator=generator)[:_GROUPS] for _ in range(_FLAVOURS)]
        self._table = torch.stack(columns, 1)

    @staticmethod
    def sample_prompts(n: int, generator: torch.Generator, groups: Groups) -> Int[Tensor, "n ctx"]:
        """Words are independent and equally likely."""
        words = torch.tensor(groups["words"])
        return words[torch.randint(len(words), (n, 6), generator=generator)]

    def run(
        self, tokens: Int[Tensor, "batch ctx"], interventions: Mapping[str, Intervention] | None = None
    ) -> CausalRun:
        """See the class."""
        u = intervened("u", self._group[tokens], interventions)
        out = intervened("out", self._table[u, self._flavour[tokens]], interventions)
        return CausalRun({"u": u, "out": out}, out)


class MlpOnly(PlantedCircuitTask):
    """``circuits/mlp_only``; seed s has placement s modulo 10 of two MLPs among five layers."""

    name = "mlp_only"
    version, models_version = 5, 3
    summary = "Find the components of a small transformer that turn words into labels."
    laboratory = laboratory(4.5, 250, 100, positions="any")  # each has an answer

    def plan(self, seed: int) -> CircuitPlan:
        """The causal model and its place in the base model of `seed`."""
        causal = GroupThenLabel(seed)
        shape = five_layers(causal, d_model=80)
        every = placements(shape.n_layers, 2)
        first, second = every[seed * 3 % len(every)]
        return CircuitPlan(
            causal=causal,
            correspondence={"u": (f"m{first}",), "out": (f"m{second}",)},
            shape=shape,
            inputs=20,
            sizes={"u": 6, "out": 6},
            recipe=SiitRecipe(steps=800),
        )
