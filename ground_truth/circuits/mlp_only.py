"""Two MLPs, one after the other: the first finds a word's hidden group, the second turns it into the label.

No head matters. Easy on purpose: one scan of single-node patching finds the answer, and the third MLP is a decoy.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from jaxtyping import Int
from torch import Tensor

from ground_truth.circuits._planted import PlantedCircuit, PlantedCircuitTask
from scribe_suite.planting.causal import (
    CausalModel,
    CausalRun,
    Intervention,
    balanced_table,
    intervened,
    placements,
)
from scribe_suite.planting.patchable import TransformerShape
from scribe_suite.planting.siit import SiitRecipe

_WORDS, _GROUPS, _FLAVOURS, _LABELS, _LENGTH = 20, 4, 3, 5, 6


class GroupThenLabel(CausalModel):
    """At every position: ``u = group[token]``; ``out = table[u, flavour[token]]``.

    Within a flavour different groups have different labels, so that a wrong u always gives a wrong label.
    """

    def __init__(self, seed: int) -> None:
        generator = torch.Generator().manual_seed(seed)
        self.variables = ("u", "out")
        self.d_vocab, self.n_labels, self.n_ctx = _WORDS, _LABELS, _LENGTH
        self.labelled = tuple(range(_LENGTH))
        self._group = balanced_table(_WORDS, _GROUPS, generator)
        self._flavour = balanced_table(_WORDS, _FLAVOURS, generator)
        columns = [torch.randperm(_LABELS, generator=generator)[:_GROUPS] for _ in range(_FLAVOURS)]
        self._table = torch.stack(columns, 1)

    def sample(self, n: int, generator: torch.Generator) -> Int[Tensor, "n ctx"]:
        """Words are independent and equally likely."""
        return torch.randint(_WORDS, (n, _LENGTH), generator=generator)

    def run(
        self, tokens: Int[Tensor, "batch ctx"], interventions: Mapping[str, Intervention] | None = None
    ) -> CausalRun:
        """See the class."""
        u = intervened("u", self._group[tokens], interventions)
        out = intervened("out", self._table[u, self._flavour[tokens]], interventions)
        return CausalRun({"u": u, "out": out}, out)


class MlpOnly(PlantedCircuitTask):
    """``circuits/mlp_only``; seed s has placement s modulo 3 of two MLPs among three layers."""

    family = "circuits"
    name = "mlp_only"
    summary = "Find the components of a small transformer that turn words into labels."
    shape = TransformerShape(
        n_layers=3,
        n_heads=4,
        d_model=64,
        d_head=16,
        d_mlp=128,
        n_ctx=_LENGTH,
        d_vocab=_WORDS,
        d_vocab_out=_LABELS,
    )
    recipe = SiitRecipe(steps=1000, bystander_scale=(2.0, 1.5))

    def circuit(self, seed: int) -> PlantedCircuit:
        """The causal model and its place in the base model of `seed`."""
        every = placements(self.shape.n_layers, 2)
        first, second = every[seed % len(every)]
        return PlantedCircuit(GroupThenLabel(seed), {"u": (f"m{first}",), "out": (f"m{second}",)})
