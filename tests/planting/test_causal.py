"""Causal models under interventions, and under a symmetry's names."""

from __future__ import annotations

import pytest
import torch

from scribe_suite.planting.causal import (
    Intervention,
    RenamedModel,
    balanced_table,
    circuit_of,
    interchange_labels,
    placements,
    renamed_correspondence,
)
from scribe_suite.planting.symmetries import draw_symmetry
from tests.planting.small_circuit import HalfThenLabel, small_shape

MODEL = HalfThenLabel()


def test_an_intervention_changes_only_the_examples_it_names():
    tokens = torch.tensor([[0, 1, 5], [0, 1, 5]])
    replaced = Intervention(torch.tensor([True, False]), torch.full((2, 3), 2))
    result = MODEL.run(tokens, {"half": replaced})
    assert result.values["half"].tolist() == [[2, 2, 2], [0, 0, 2]]
    assert result.labels.tolist() == [[2, 0, 0], [0, 1, 0]]


def test_interchanging_a_variable_takes_its_value_from_the_source():
    base, source = torch.tensor([[0, 1, 5]] * 3), torch.tensor([[4, 4, 0]] * 3)
    chosen = torch.tensor([[True, False], [False, True], [False, False]])
    labels = interchange_labels(MODEL, base, source, chosen)
    assert labels[0].tolist() == [2, 0, 1]
    assert labels[1].tolist() == MODEL.run(source).labels[1].tolist()
    assert labels[2].tolist() == MODEL.run(base).labels[2].tolist()


def test_a_renamed_model_is_the_original_in_other_words():
    symmetry = draw_symmetry(small_shape().config(), 3)
    renamed = RenamedModel(MODEL, symmetry)
    tokens = MODEL.sample(50, torch.Generator().manual_seed(0))
    original, other = MODEL.run(tokens), renamed.run(symmetry.tokens(tokens))
    assert torch.equal(other.labels, symmetry.labels(original.labels))
    assert torch.equal(other.values["half"], original.values["half"])
    assert not torch.equal(renamed.run(tokens).labels, original.labels)
    assert torch.equal(renamed.sample(50, torch.Generator().manual_seed(0)), symmetry.tokens(tokens))


def test_a_correspondence_moves_with_the_heads():
    symmetry = draw_symmetry(small_shape(n_heads=5).config(), 1)
    moved = renamed_correspondence({"u": ("a0.h1", "m1"), "out": ("a1.h0",)}, symmetry)
    assert moved["u"] == (symmetry.component("a0.h1"), "m1")
    assert circuit_of(moved) == {*moved["u"], *moved["out"]}


@pytest.mark.parametrize(("size", "values"), [(20, 4), (20, 3), (5, 5)])
def test_tables_use_every_value_about_equally_often(size, values):
    counts = torch.bincount(balanced_table(size, values, torch.Generator().manual_seed(1)), minlength=values)
    assert counts.sum() == size
    assert counts.max() - counts.min() <= 1


def test_placements_are_all_increasing_choices_of_layers():
    assert placements(3, 2) == [(0, 1), (0, 2), (1, 2)]
