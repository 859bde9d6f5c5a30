"""Causal models under interventions, and under a symmetry's names."""

from __future__ import annotations

import pytest
import torch

from scribe_suite.planting.circuits.causal import (
    CausalRun,
    Intervention,
    RenamedModel,
    balanced_table,
    circuit_of,
    interchanged,
    placements,
    renamed_correspondence,
)
from scribe_suite.planting.symmetries import draw_symmetry
from tests.planting.circuits.small_circuit import HalfThenLabel, small_shape

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
    labels = interchanged(MODEL, base, source, chosen).labels
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
    assert set(renamed.sample(50, torch.Generator().manual_seed(0)).unique().tolist()) == set(range(6))


def test_groups_move_with_the_tokens_and_do_not_tell_which_was_which():
    class Grouped(HalfThenLabel):
        def __init__(self):
            self.groups = {"low": [0, 1, 2], "high": [3, 4, 5]}

        joint = (("half", "out"),)

        @staticmethod
        def sample_prompts(n, generator, groups):
            ids = torch.tensor([*groups["low"], *groups["high"]])
            return ids[torch.randint(6, (n, 3), generator=generator)]

        @staticmethod
        def match_sources(base, prompts, groups):
            return torch.where(torch.isin(base, torch.tensor(groups["low"])), prompts, base)

    original = Grouped()
    for seed in range(5):
        symmetry = draw_symmetry(small_shape().config(), seed)
        renamed = RenamedModel(original, symmetry)
        for name, ids in renamed.groups.items():
            assert ids == sorted(symmetry.tokens(torch.tensor(original.groups[name])).tolist())
        assert (renamed.joint, renamed.edges, renamed.labelled) == (original.joint, original.edges, original.labelled)
        base, source = renamed.sample_pairs(200, torch.Generator().manual_seed(seed))
        low = torch.isin(base, torch.tensor(renamed.groups["low"]))
        assert torch.equal(source[~low], base[~low])
        assert not torch.equal(source[low], base[low])


def test_prescribed_logits_are_renamed_with_the_labels():
    class Prescribed(HalfThenLabel):
        def run(self, tokens, interventions=None):
            result = super().run(tokens, interventions)
            return CausalRun(result.values, result.labels, torch.nn.functional.one_hot(result.labels, 3).float())

    symmetry = draw_symmetry(small_shape().config(), 3)
    assert symmetry.label_map != (0, 1, 2)
    tokens = MODEL.sample(20, torch.Generator().manual_seed(0))
    renamed = RenamedModel(Prescribed(), symmetry).run(symmetry.tokens(tokens))
    assert torch.equal(renamed.logits.argmax(-1), renamed.labels)


def test_without_a_matching_sources_are_independent_prompts():
    base, source = MODEL.sample_pairs(500, torch.Generator().manual_seed(0))
    assert abs((base == source).float().mean().item() - 1 / 6) < 0.05


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
