"""Nodes of a kind that the circuit does not have are random, as loud as the others and as sharp."""

from __future__ import annotations

import math

import pytest
import torch

from scribe_suite.planting.circuits.assembly import DecoyRecipe
from scribe_suite.planting.circuits.fillers import attention_score_spreads
from scribe_suite.planting.circuits.patchable import PatchableTransformer
from tests.planting.circuits.small_circuit import HalfThenLabel, planted_shape, small_assembly


def prompts(n=64):
    return HalfThenLabel().sample(n, torch.Generator().manual_seed(2))


@torch.no_grad()
def test_random_heads_are_as_loud_as_the_copies(core):
    ratios = []
    for seed in range(6):
        network = small_assembly(core, DecoyRecipe(), seed).network
        sizes = network.writes(network(prompts())[1]).pow(2).sum(-1).mean((2, 3)).sqrt()
        ratios += (sizes[:, :-1] / sizes[:, -1].pow(2).mean().sqrt()).flatten().tolist()
    logarithms = torch.tensor(ratios).log()
    assert abs(logarithms.mean()) < 0.2
    assert 0.1 < logarithms.std() < 0.5


@torch.no_grad()
def test_they_depend_on_the_prompt(core):
    network = small_assembly(core, DecoyRecipe()).network
    writes = network.writes(network(prompts())[1])[:, :-1]
    assert (writes.std(2).norm(dim=-1).mean(-1) > 0.01).all()


@torch.no_grad()
def test_the_spread_of_attention_scores_is_that_of_the_scores_seen():
    network = PatchableTransformer(planted_shape(), 4)
    tokens = prompts(8)
    scores = network.attention_scores(tokens)
    expected = []
    for query in range(3):
        visible = scores[0, :, 1, query, : query + 1]
        expected.append((visible - visible.mean(-1, keepdim=True)).pow(2))
    wanted = torch.cat([part.flatten() for part in expected]).mean().sqrt()
    assert attention_score_spreads(network, tokens)[0, 1] == pytest.approx(wanted.item(), rel=1e-4)
    assert not math.isnan(wanted)
