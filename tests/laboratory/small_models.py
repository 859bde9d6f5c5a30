"""Small random models, and the laboratory's operations on them without a process."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import torch
from safetensors.torch import load, save
from torch import Tensor
from transformer_lens import HookedTransformer

from scribe_suite.laboratory.inside import loading, operations
from scribe_suite.laboratory.recipes import Recipe, Wanted, run_message
from scribe_suite.planting.hooked import untrained_twin

BASE: dict[str, Any] = {
    "n_layers": 3, "n_heads": 4, "d_model": 12, "d_head": 5, "d_mlp": 16, "n_ctx": 6, "d_vocab": 11, "d_vocab_out": 7,
    "act_fn": "gelu", "normalization_type": "LN", "attention_dir": "causal", "default_prepend_bos": False,
    "device": "cpu",
}  # fmt: skip
CONFIGS: dict[str, dict[str, Any]] = {
    "LN": BASE,
    "no norm": {**BASE, "normalization_type": None},
    "attention only": {**{key: value for key, value in BASE.items() if key != "d_mlp"}, "attn_only": True},
    # as the real model has it: queries that share keys, rotation, RMSNorm, gated MLPs
    "grouped": {
        **BASE, "d_head": 4, "n_key_value_heads": 2, "positional_embedding_type": "rotary", "rotary_dim": 4,
        "normalization_type": "RMS", "gated_mlp": True, "act_fn": "silu",
    },
}  # fmt: skip
WITH_MLPS = ("LN", "no norm", "grouped")
N_PROMPTS = 5


@cache
def plain(kind: str) -> HookedTransformer:
    """The model as TransformerLens has it; all of its parameters are random, also those that begin as zeros or ones."""
    model = untrained_twin(CONFIGS[kind], seed=3)
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for value in model.parameters():
            value.add_((0.3 if kind != "no norm" else 0.08) * torch.randn(value.shape, generator=generator))
    model.requires_grad_(False)
    return model


@cache
def loaded(kind: str) -> loading.LoadedModel:
    """The same in the laboratory."""
    return loading.from_weights(CONFIGS[kind], state_of(kind), "cpu")


def state_of(kind: str) -> bytes:
    """Its parameters as a file."""
    return bytes(save({name: value.contiguous() for name, value in plain(kind).named_parameters()}))


def tokens(seed: int = 0, n_prompts: int = N_PROMPTS, n_positions: int = BASE["n_ctx"]) -> np.ndarray:
    """Random prompts."""
    return np.random.default_rng(seed).integers(0, BASE["d_vocab"], (n_prompts, n_positions))


def patched(*patches: dict[str, Any], seed: int = 0, **more: Any) -> Recipe:
    """A run of `tokens` with patches."""
    return Recipe("patched", tokens(seed), patches=patches, **more)


def base(seed: int = 1, name: str = "base") -> Recipe:
    """A run to patch from."""
    return Recipe(name, tokens(seed))


def ask(kind: str, *recipes: Recipe, **wanted: Any) -> dict[str, Tensor]:
    """What the laboratory returns."""
    header, data = run_message("model", recipes, Wanted(**wanted))
    return operations.run(loaded(kind), header["recipes"], header["wanted"], load(data))


@cache
def cached(kind: str, seed: int) -> dict[str, Tensor]:
    """What TransformerLens has at all hooks; not to be changed."""
    return dict(plain(kind).run_with_cache(torch.tensor(tokens(seed)))[1])


def hooked(kind: str, hooks: Sequence[tuple[str, Any]], seed: int = 0) -> Tensor:
    """Logits at all positions with hooks of TransformerLens."""
    return plain(kind).run_with_hooks(torch.tensor(tokens(seed)), fwd_hooks=list(hooks))


def assert_close(one: Tensor, other: Tensor) -> None:
    """Equal but for rounding, and not by accident: both have values of their own."""
    assert one.shape == other.shape, (one.shape, other.shape)
    torch.testing.assert_close(one, other, atol=2e-5, rtol=2e-5)
