"""A causal model small enough to be planted within a test."""

from __future__ import annotations

import torch

from scribe_suite.planting.circuits.causal import CausalModel, CausalRun, intervened
from scribe_suite.planting.circuits.decoys import DecoyRecipe
from scribe_suite.planting.circuits.patchable import TransformerShape
from scribe_suite.planting.circuits.plant_circuit import CircuitPlan
from scribe_suite.planting.circuits.siit import SiitRecipe

CORRESPONDENCE = {"half": ("m0",), "out": ("m2",)}
WIDTH = 16


class HalfThenLabel(CausalModel):
    """``half = token // 2``; ``out = (half + token mod 2) mod 3``, at every position."""

    variables = ("half", "out")
    edges = (("input", "half"), ("half", "out"), ("input", "out"), ("out", "output"))
    d_vocab, n_labels, n_ctx = 6, 3, 3
    labelled = (0, 1, 2)

    def __init__(self):
        self.groups = {"tokens": range(6)}

    @staticmethod
    def sample_prompts(n, generator, groups):
        tokens = torch.tensor(groups["tokens"])
        return tokens[torch.randint(len(tokens), (n, 3), generator=generator)]

    def run(self, tokens, interventions=None):
        half = intervened("half", tokens // 2, interventions)
        out = intervened("out", (half + tokens % 2) % 3, interventions)
        return CausalRun({"half": half, "out": out}, out)


def small_shape(**changes) -> TransformerShape:
    sizes = {"n_layers": 2, "n_heads": 2, "d_model": 16, "d_head": 8, "d_mlp": 32, "n_ctx": 3, "d_vocab": 6}
    return TransformerShape(**{**sizes, "d_vocab_out": 3, **changes})


def planted_shape(**changes) -> TransformerShape:
    """Three layers, of which the middle one holds nothing of the circuit, and residual dimensions for decoys."""
    return small_shape(**{"n_layers": 3, "d_model": 40, "act_fn": "relu", "normalization": None, **changes})


def small_plan(shape: TransformerShape | None = None, **changes) -> CircuitPlan:
    recipe = {"steps": 250, "hardening_steps": 30, "warmup": 20, "learning_rate": 1e-2, **changes.pop("recipe", {})}
    return CircuitPlan(
        causal=HalfThenLabel(),
        correspondence=CORRESPONDENCE,
        shape=planted_shape() if shape is None else shape,
        width=WIDTH,
        recipe=SiitRecipe(**recipe),
        decoys=DecoyRecipe(**changes.pop("decoys", {})),
        **changes,
    )
