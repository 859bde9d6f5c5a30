"""A causal model small enough to be planted within a test."""

from __future__ import annotations

import torch

from scribe_suite.planting.causal import CausalModel, CausalRun, intervened
from scribe_suite.planting.patchable import TransformerShape

CORRESPONDENCE = {"half": ("m0",), "out": ("m1",)}


class HalfThenLabel(CausalModel):
    """``half = token // 2``; ``out = (half + token mod 2) mod 3``, at every position."""

    def __init__(self):
        self.variables = ("half", "out")
        self.d_vocab, self.n_labels, self.n_ctx = 6, 3, 3
        self.labelled = (0, 1, 2)

    def sample(self, n, generator):
        return torch.randint(6, (n, 3), generator=generator)

    def run(self, tokens, interventions=None):
        half = intervened("half", tokens // 2, interventions)
        out = intervened("out", (half + tokens % 2) % 3, interventions)
        return CausalRun({"half": half, "out": out}, out)


def small_shape(**changes) -> TransformerShape:
    sizes = {"n_layers": 2, "n_heads": 2, "d_model": 16, "d_head": 8, "d_mlp": 32, "n_ctx": 3, "d_vocab": 6}
    return TransformerShape(**{**sizes, "d_vocab_out": 3, **changes})
