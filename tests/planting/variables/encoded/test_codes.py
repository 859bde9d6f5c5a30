"""Codes: points that differ, values that no direction tells apart, companions that can be kept."""

from __future__ import annotations

import pytest
import torch

from scribe_suite.planting.variables.encoded.codes import CODES, code_of, widest

every_code = pytest.mark.parametrize(("name", "values"), [(name, values) for name in CODES for values in (2, 3)])


@every_code
def test_states_are_different_points_with_a_state_for_every_value_companion_and_rest(name, values):
    code = code_of(name, values)
    assert len(code.states) == len(set(code.states)) == values * values * code.rests
    assert torch.pdist(code.points.double()).min() > 0.5
    assert code.dimensions == code.points.shape[1] <= widest(values)
    assert torch.linalg.matrix_rank(code.points - code.points.mean(0)) == code.dimensions


@every_code
def test_all_values_have_the_same_mean(name, values):
    code = code_of(name, values)
    which = torch.tensor([value for value, _, _ in code.states])
    means = torch.stack([code.points[which == value].mean(0) for value in range(values)])
    assert (means - means[0]).abs().max() < 1e-5


@every_code
def test_no_direction_orders_the_values(name, values):
    """The best linear classifier of the states themselves is not right on all of them."""
    code = code_of(name, values)
    which = torch.tensor([value for value, _, _ in code.states])
    points = torch.cat([code.points, torch.ones(len(which), 1)], 1)
    fitted = torch.linalg.lstsq(points, torch.nn.functional.one_hot(which).float(), driver="gelsd").solution
    assert (points @ fitted).argmax(1).eq(which).float().mean() < 0.8
