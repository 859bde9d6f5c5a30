"""A program of four variables, by hand, and a place for it."""

from __future__ import annotations

import torch

from scribe_suite.planting.circuits.patchable import TransformerShape
from scribe_suite.planting.circuits.programs.formats import SHORT
from scribe_suite.planting.circuits.programs.program import Program
from scribe_suite.planting.circuits.programs.variables import LABELS, Variable, token_class

KIND, HALF = [token % 3 for token in range(SHORT.tokens)], [token // 10 for token in range(SHORT.tokens)]
OUT = tuple((2 * third + shift + 3 * half) % LABELS for third in range(3) for shift in range(3) for half in range(2))
WHERE = {"kind": ("m0",), "third": ("a1.h1",), "shift": ("a1.h0",), "out": ("m2",)}


def toy_program() -> Program:
    """``out``: twice one kind, another, and 3 where the last token is of the second half; modulo 6."""
    return Program(
        [
            Variable("kind", "table", (token_class(0),), 3, everywhere=True, table=(0, 1, 2), shape=(3,)),
            Variable("third", "at", ("kind",), 3, place=3),
            Variable("shift", "at", ("kind",), 3, place=5),
            Variable("out", "table", ("third", "shift", token_class(1)), LABELS, table=OUT, shape=(3, 3, 2)),
        ],
        [KIND, HALF],
    )


def toy_shape(**changes) -> TransformerShape:
    sizes = {
        "n_layers": 3,
        "n_heads": 2,
        "d_model": 48,
        "d_head": 8,
        "d_mlp": 48,
        "n_ctx": SHORT.length,
        "d_vocab": SHORT.tokens,
    }
    return TransformerShape(**{**sizes, "d_vocab_out": LABELS, "act_fn": "relu", "normalization": None, **changes})


def prompts(n: int, seed: int = 0) -> torch.Tensor:
    return toy_program().sample(n, torch.Generator().manual_seed(seed))
