"""Methods for variables: what they find in a small model, and the table that is made of it."""

from __future__ import annotations

from functools import cache

import pytest
import torch

from scribe_suite.planting.hooked import build_model
from scribe_suite.planting.variables.certificate import PLANTED
from scribe_suite.planting.variables.interchange import Rates, exchanged_labels, rates_of
from scribe_suite.planting.variables.network import build_network, planted_subspace
from scribe_suite.planting.variables.plans import Dial, draw_pairs, draw_plan, draw_prompts
from studies import variable_methods
from studies.graded.subspaces import ANGLES, turned
from studies.variable_methods import METHODS, Found, Known, masked, measured_levels, table

DIAL = Dial(variables=2, values=3, d_vocab=48, overlap=3.0)
PLAN = draw_plan(DIAL, 0)
GENERATOR = torch.Generator().manual_seed(3)
#: Methods that learn from labels after exchanges.
LEARNED = ("DAS", "boundless", "DBM")


@cache
def known() -> Known:
    model = build_model(build_network(DIAL, PLAN, 0)).requires_grad_(requires_grad=False)
    prompts = draw_prompts(600, DIAL.d_vocab, torch.Generator().manual_seed(2))
    name = f"blocks.{PLANTED.layer}.hook_{PLANTED.site}"
    here = model.run_with_cache(prompts, names_filter=name, return_type=None)[1][name][:, -1]
    return Known(model, PLAN, 0, 4, prompts, here, seed=0)


def rates(directions: torch.Tensor) -> Rates:
    base, source = draw_pairs(PLAN, 100, torch.Generator().manual_seed(0))
    return rates_of(exchanged_labels(known().model, base, source, PLANTED, directions), base, source, PLAN, 0)


@pytest.mark.parametrize("method", [name for name in METHODS if not name.startswith(LEARNED)])
def test_no_method_without_learning_finds_the_variable_alone(method):
    directions = METHODS[method](known())
    assert directions.shape[0] == known().here.shape[1]
    assert rates(directions).score < 0.8
    assert (rates(directions).isolation == 0.0) == (method == "full vector")


def test_boundless_das_chooses_dimensions_that_exchange_the_variable():
    directions = METHODS["boundless DAS"](known())
    assert 0 < directions.shape[1] < known().here.shape[1]
    assert rates(directions).interchange > 0.9


@pytest.mark.parametrize("method", [name for name in METHODS if name.startswith("DBM")])
def test_a_mask_keeps_features_of_its_basis_and_is_no_answer_in_a_basis_that_is_turned(method, monkeypatch):
    monkeypatch.setattr(variable_methods, "_MORE_STEPS", 40)
    turn = torch.linalg.qr(torch.randn(known().here.shape[1], known().here.shape[1], generator=GENERATOR))[0]
    kept = METHODS[method](known())
    assert torch.allclose(kept.T @ kept, torch.eye(kept.shape[1]), atol=1e-5)
    assert rates(turn @ kept).score < 0.3


def test_a_mask_becomes_hard_at_the_end_of_the_search():
    basis, mask = torch.eye(3), torch.tensor([0.5, -0.5, 0.0])
    assert masked(basis, mask, 0.0).diagonal() == pytest.approx(torch.sigmoid(mask))
    assert masked(basis, mask, 1.0).diagonal() == pytest.approx(torch.tensor([1.0, 0.0, 0.5]))


def test_levels_with_the_same_base_models_are_measured_once():
    assert measured_levels() == ["variables/subspace", "variables/subspace_2", "variables/subspace_3"]


def test_a_table_has_means_over_instances_in_a_column_for_each_task():
    chances = (1 / 3, 1 / 3)
    found = dict.fromkeys(("planted", *METHODS), Found(Rates(1.0, 0.0, chances), 2))
    other = dict.fromkeys(("planted", *METHODS), Found(Rates(0.5, 1.0, chances), 4))
    lines = table({"variables/a": [found, other], "variables/b": [found, found]}).splitlines()
    assert lines[0].startswith("| method | `a`: interchange, isolation, score (dimensions) | `b`")
    assert lines[2] == "| planted | 0.75, 0.50, 0.20 (3) | 1.00, 0.00, 0.00 (2) |"
    assert lines[-1] == "Means over 2 fresh instances of each level."


def test_graded_directions_lie_at_their_angle_to_the_planted_ones():
    planted = planted_subspace(DIAL, 0)
    away = torch.eye(len(planted))[:, :2]
    for angle in ANGLES:
        cosines = torch.linalg.svdvals(turned(planted, away, angle).T @ planted)
        assert torch.rad2deg(torch.arccos(cosines.clamp(max=1))) == pytest.approx(torch.full((2,), angle), abs=0.05)


def test_the_more_directions_are_turned_the_less_they_exchange():
    planted = planted_subspace(DIAL, 0)
    away = planted_subspace(DIAL, 1)
    scores = [rates(turned(planted, away, angle)).score for angle in ANGLES]
    assert scores[0] == 1.0
    assert scores[-1] == 0.0
    assert scores == sorted(scores, reverse=True)
