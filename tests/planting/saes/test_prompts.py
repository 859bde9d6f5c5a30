"""Every token is equally often at every position, and agents can draw such prompts too."""

from __future__ import annotations

import torch

from scribe_suite.planting.saes.prompts import PROMPTS_CODE, balanced_prompts
from scribe_suite.planting.variables.plans import N_CTX


def test_every_token_is_once_in_each_block_at_every_position():
    prompts = balanced_prompts(96, 48, torch.Generator().manual_seed(1))
    for block in prompts.split(48):
        assert block.sort(0).values.equal(torch.arange(48)[:, None].expand(48, N_CTX))
    assert not prompts[:48].equal(prompts[48:])
    assert balanced_prompts(50, 48, torch.Generator().manual_seed(1)).equal(prompts[:50])


def test_agents_draw_the_same_kind_of_prompts():
    space: dict = {"torch": torch}
    exec(PROMPTS_CODE.format(n_tokens=48, n_ctx=N_CTX), space)
    assert space["generate"](100, 1).equal(balanced_prompts(100, 48, torch.Generator().manual_seed(1)))
