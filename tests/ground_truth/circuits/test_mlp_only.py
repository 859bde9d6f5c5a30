"""circuits/mlp_only: what its causal model computes, and where it is placed."""

from __future__ import annotations

import pytest
import torch

from ground_truth.circuits.mlp_only import GroupThenLabel, MlpOnly
from scribe_suite.planting.circuits.causal import circuit_of
from scribe_suite.tasks.registry import default_registry
from tests.ground_truth.circuits.untrained import labels_after

TASK = MlpOnly()


def test_the_registry_finds_the_task():
    assert isinstance(default_registry()["circuits/mlp_only"], MlpOnly)


def test_the_seeds_cover_every_placement_of_two_mlps():
    placed = {tuple(sorted(circuit_of(TASK.plan(seed).correspondence))) for seed in range(10)}
    assert placed == {(f"m{first}", f"m{second}") for second in range(5) for first in range(second)}


def test_no_two_of_the_first_six_seeds_share_a_placement():
    assert len({circuit_of(TASK.plan(seed).correspondence) for seed in range(6)}) == 6


@pytest.mark.parametrize("seed", range(6))
def test_the_group_is_found_before_it_is_used(seed):
    correspondence = TASK.plan(seed).correspondence
    (first,), (second,) = correspondence["u"], correspondence["out"]
    assert int(first[1:]) < int(second[1:])


@pytest.mark.parametrize("seed", range(6))
def test_a_wrong_group_always_gives_a_wrong_label(seed):
    table = GroupThenLabel(seed)._table
    for flavour in range(table.shape[1]):
        assert len(set(table[:, flavour].tolist())) == len(table)


def test_seeds_have_different_tables():
    tokens = torch.arange(20)[:, None]
    labels = {tuple(GroupThenLabel(seed).run(tokens).labels[:, 0].tolist()) for seed in range(6)}
    assert len(labels) == 6


def test_every_group_and_flavour_occurs_about_equally_often():
    causal = GroupThenLabel(3)
    for table, values in ((causal._group, 4), (causal._flavour, 3)):
        counts = torch.bincount(table, minlength=values)
        assert counts.max() - counts.min() <= 1


def test_the_group_comes_from_the_source_and_the_flavour_from_the_base():
    causal = GroupThenLabel(0)
    base, source = (causal.sample(50, torch.Generator().manual_seed(seed)) for seed in (0, 1))
    expected = causal._table[causal._group[source], causal._flavour[base]]
    assert torch.equal(labels_after(causal, base, source, "u"), expected)
    assert torch.equal(labels_after(causal, base, source, "out"), causal.run(source).labels)
    assert torch.equal(labels_after(causal, base, source), causal.run(base).labels)
    assert not torch.equal(expected, causal.run(base).labels)


def test_words_are_independent_and_equally_likely():
    tokens = GroupThenLabel(0).sample(4000, torch.Generator().manual_seed(0))
    assert tokens.shape == (4000, 6)
    counts = torch.bincount(tokens.flatten(), minlength=20) / tokens.numel()
    assert (counts - 1 / 20).abs().max() < 0.005
    assert abs((tokens[:, 0] == tokens[:, 1]).float().mean() - 1 / 20) < 0.02
