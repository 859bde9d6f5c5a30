"""The architecture of the circuit tasks: large enough to hide a circuit in, small enough to train on a laptop."""

from __future__ import annotations

from typing import Literal

from scribe_suite.planting.circuits.causal import CausalModel
from scribe_suite.planting.circuits.patchable import TransformerShape


def five_layers(
    causal: CausalModel, *, d_model: int = 96, d_mlp: int = 64, normalization: Literal["LN"] | None = None
) -> TransformerShape:
    """Five layers of four heads and an MLP, for the prompts and labels of a causal model."""
    return TransformerShape(
        n_layers=5,
        n_heads=4,
        d_model=d_model,
        d_head=16,
        d_mlp=d_mlp,
        n_ctx=causal.n_ctx,
        d_vocab=causal.d_vocab,
        d_vocab_out=causal.n_labels,
        act_fn="relu",
        normalization=normalization,
    )
