"""A tiny untrained language model with shared keys and values, and pairs of prompts for it."""

from __future__ import annotations

import warnings
from functools import cache

import torch
from transformer_lens import HookedTransformer, HookedTransformerConfig

from scribe_suite.scoring.circuit_patching import PromptPairs, Readout

LAYERS, HEADS, VOCABULARY, LENGTH = 4, 4, 40, 7


@cache
def model() -> HookedTransformer:
    """As Llama's: rotations, RMSNorm, gated MLPs, four heads of which two share keys and values."""
    config = HookedTransformerConfig(
        n_layers=LAYERS, d_model=32, n_ctx=16, d_head=8, n_heads=HEADS, n_key_value_heads=2, d_mlp=48,
        d_vocab=VOCABULARY, act_fn="silu", gated_mlp=True, normalization_type="RMS", positional_embedding_type="rotary",
        rotary_dim=8, seed=3, device="cpu", initializer_range=0.3,
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "HookedTransformer is deprecated", DeprecationWarning)
        made = HookedTransformer(config)
    made.requires_grad_(False)
    return made.eval()


def pairs(n: int = 6, readout: Readout = "logits", seed: int = 0) -> PromptPairs:
    """Prompts that differ from their counterfactuals in two places; right is what the clean ones make likelier."""
    generator = torch.Generator().manual_seed(seed)
    clean = torch.randint(VOCABULARY, (n, LENGTH), generator=generator)
    other = clean.clone()
    other[:, 1:3] = torch.randint(VOCABULARY, (n, 2), generator=generator)
    with torch.no_grad():
        change = model()(clean)[:, -1] - model()(other)[:, -1]
    options = torch.stack([change.argmax(-1), change.argmin(-1)], 1)
    weights = torch.tensor([[1.0, -1.0]]).expand(n, -1)
    return PromptPairs(clean, other, options, weights, readout)
