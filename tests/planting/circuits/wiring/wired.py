"""A small program, and a network that it is put into without any training."""

from __future__ import annotations

import torch

from scribe_suite.planting.circuits.patchable import PatchableTransformer, TransformerShape
from scribe_suite.planting.circuits.programs.formats import SHORT
from scribe_suite.planting.circuits.programs.program import Program
from scribe_suite.planting.circuits.programs.variables import LABELS, Variable, token_class
from scribe_suite.planting.circuits.wiring.assembly import DEAF, among_listeners
from scribe_suite.planting.circuits.wiring.forcing import Nodes, WiringRecipe
from scribe_suite.planting.circuits.wiring.stream import Stream

#: The class of each token, read by the first variable.
CLASS = [token % 4 for token in range(SHORT.tokens)]
PROGRAM = Program(
    [
        Variable("v0", "table", (token_class(0),), 4, everywhere=True, table=(0, 1, 2, 3), shape=(4,)),
        Variable("v1", "back", ("v0",), 4, everywhere=True, by=1),
        Variable("v2", "latest", ("v1", "v0"), 4, wanted=2),
        Variable("v3", "pointed", ("v2", "v1"), 4, slots=(3, 5, 0, 8)),
        Variable(
            "out",
            "table",
            ("v3", "v2"),
            LABELS,
            table=tuple((first + second) % LABELS for first in range(4) for second in range(4)),
            shape=(4, 4),
        ),
    ],
    [CLASS],
)
WHERE = {"v0": ("m0",), "v1": ("a1.h0",), "v2": ("a2.h1",), "v3": ("a3.h0",), "out": ("m3",)}
WIRING = [
    "embed->m0",
    "m0->a1.h0.v",
    "a1.h0->a2.h1.k",
    "m0->a2.h1.v",
    "a2.h1->a3.h0.q",
    "a1.h0->a3.h0.v",
    "a3.h0->m3",
    "a2.h1->m3",
]
RECIPE = WiringRecipe(steps=2, batch=8, d_head=4, neurons=12)


def shape(n_layers: int = 4) -> TransformerShape:
    return TransformerShape(
        n_layers=n_layers,
        n_heads=2,
        d_model=60,
        d_head=RECIPE.d_head + 2 * DEAF,
        d_mlp=RECIPE.neurons + 6,
        n_ctx=SHORT.length,
        d_vocab=SHORT.tokens,
        d_vocab_out=Program.n_labels,
        act_fn="relu",
        normalization=None,
    )


def nodes(seed: int = 0) -> Nodes:
    generator = torch.Generator().manual_seed(seed)
    return Nodes(PROGRAM, Stream(PROGRAM), RECIPE, generator)


def network(crosstalk: float = 0.0, seed: int = 0) -> PatchableTransformer:
    generator = torch.Generator().manual_seed(seed)
    prompts = PROGRAM.sample(32, generator)
    return among_listeners(nodes(seed), WHERE, shape(), crosstalk, prompts, generator)
