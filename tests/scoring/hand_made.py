"""Networks wired by hand, for which every score can be worked out on paper."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from scribe_suite.planting.circuits.causal import CausalModel, CausalRun, intervened
from scribe_suite.planting.circuits.interchange import Pairs
from scribe_suite.planting.circuits.patchable import PatchableTransformer, TransformerShape

TOKENS = 3
HEADS = ("a0.h0", "a0.h1", "a1.h0", "a1.h1", "a2.h0", "a2.h1")
MLPS = ("m0", "m1", "m2")


class LastToken(CausalModel):
    """The label is the last of two tokens."""

    def __init__(self):
        self.variables = ("last",)
        self.d_vocab, self.n_labels, self.n_ctx = TOKENS, TOKENS, 2
        self.labelled = (1,)

    def sample(self, n, generator):
        return torch.randint(TOKENS, (n, 2), generator=generator)

    def run(self, tokens, interventions=None):
        last = intervened("last", tokens[:, 1], interventions)
        return CausalRun({"last": last}, last[:, None])


@dataclass(frozen=True)
class Wire:
    """An MLP that copies one-hot tokens from block `reads` of the residual stream to block `writes`.

    Block 0 is the embedding, the last block is what the labels are read from. Only `tokens` are copied.
    """

    layer: int
    strength: float = 1.0
    reads: int = 0
    writes: int = 2
    tokens: Sequence[int] = range(TOKENS)


def wired(*wires: Wire, favourite: int | None = None) -> PatchableTransformer:
    """Three layers of two silent heads and one MLP, without LayerNorm; MLPs without a wire are silent too.

    Args:
        wires: What the MLPs do.
        favourite: The label of a residual stream that says nothing.
    """
    shape = TransformerShape(
        n_layers=3,
        n_heads=2,
        d_model=3 * TOKENS,
        d_head=4,
        d_mlp=TOKENS,
        n_ctx=2,
        d_vocab=TOKENS,
        d_vocab_out=TOKENS,
        act_fn="relu",
        normalization=None,
    )
    network = PatchableTransformer(shape)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
        for token in range(TOKENS):
            network.W_E[token, token] = 1.0
            network.W_U[2 * TOKENS + token, token] = 1.0
        for wire in wires:
            for token in wire.tokens:
                network.W_in[wire.layer, wire.reads * TOKENS + token, token] = 1.0
                network.W_out[wire.layer, token, wire.writes * TOKENS + token] = wire.strength
        if favourite is not None:
            network.b_U[favourite] = 0.1
    return network


def different_pairs() -> Pairs:
    """All pairs of prompts whose last tokens differ, so that a network that follows the source is never right."""
    prompts = torch.cartesian_prod(torch.arange(TOKENS), torch.arange(TOKENS))
    one, other = torch.cartesian_prod(torch.arange(len(prompts)), torch.arange(len(prompts))).T
    differ = prompts[one, 1] != prompts[other, 1]
    return Pairs(prompts[one][differ], prompts[other][differ])
