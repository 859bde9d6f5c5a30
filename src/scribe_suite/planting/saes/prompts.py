"""Prompts in which every token is equally often at every position.

Which latents are active depends on single tokens, and an effect is a mean over prompts. With independent tokens, how
often each gate is open would differ from sample to sample by several per cent, which would say nothing about latents.
"""

from __future__ import annotations

import torch
from jaxtyping import Int
from torch import Tensor

from scribe_suite.planting.variables.plans import N_CTX

#: Public code of the same.
PROMPTS_CODE = '''\
def generate(n, seed=0):
    """n fresh prompts, shape (n, {n_ctx}); in each {n_tokens} in a row, every token is once at every position."""
    generator = torch.Generator().manual_seed(seed)
    blocks = torch.rand(-(-n // {n_tokens}), {n_tokens}, {n_ctx}, generator=generator).argsort(1)
    return blocks.flatten(0, 1)[:n]
'''


def balanced_prompts(count: int, d_vocab: int, generator: torch.Generator) -> Int[Tensor, "prompt position"]:
    """Random prompts; in each `d_vocab` in a row, every token is once at every position."""
    blocks = torch.rand(-(-count // d_vocab), d_vocab, N_CTX, generator=generator).argsort(1)
    return blocks.flatten(0, 1)[:count]
