"""A tiny model that writes along one direction whether a token is odd, and statements that are true where it is."""

from __future__ import annotations

import numpy as np
import torch
from transformer_lens import HookedTransformer

from scribe_suite.planting.hooked import untrained_twin
from scribe_suite.scoring.probes import LabelledStatements

WORDS, WIDTH, LENGTH = 12, 8, 4
CONFIG = {
    "n_layers": 2,
    "n_heads": 2,
    "d_model": WIDTH,
    "d_head": 4,
    "d_mlp": 16,
    "n_ctx": LENGTH,
    "d_vocab": WORDS,
    "act_fn": "gelu",
    "normalization_type": "LN",
    "device": "cpu",
}
#: What answers about the model are checked against.
FACTS = {"n_layers": 2, "n_ctx": LENGTH, "d_model": WIDTH}
#: The residual direction of a token's parity.
TRUTH = 2
AXIS = [0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0]


def parity_model(size: float = 3.0, **config: int) -> HookedTransformer:
    """An untrained model with the parity written into its embedding.

    Args:
        size: Of what a token writes along that direction; 0.3 is about that of all else, and 3 far above it.
        config: What is another one than in `CONFIG`.
    """
    built = untrained_twin({**CONFIG, **config}, seed=0)
    with torch.no_grad():
        built.embed.W_E += torch.where(torch.arange(WORDS) % 2 == 1, size, -size)[:, None] * torch.eye(WIDTH)[TRUTH]
    return built


def parity_statements(count: int) -> LabelledStatements:
    """Random statements whose last tokens are all words in turn; two and two are a group."""
    tokens = torch.randint(WORDS, (count, LENGTH), generator=torch.Generator().manual_seed(0))
    tokens[:, -1] = torch.arange(count) % WORDS
    return LabelledStatements(tokens, (tokens[:, -1] % 2 == 1).numpy(), np.arange(count) // 2)
