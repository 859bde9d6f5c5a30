"""Random maps that keep lengths."""

import pytest
import torch

from scribe_suite.planting.circuits.random_maps import isometry


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize(("rows", "columns"), [(7, 7), (4, 9), (9, 4)])
def test_an_isometry_keeps_lengths_where_it_can(rows, columns):
    drawn = isometry(rows, columns, generator())
    small = drawn @ drawn.T if rows <= columns else drawn.T @ drawn
    assert drawn.shape == (rows, columns)
    assert torch.allclose(small, torch.eye(min(rows, columns)), atol=1e-5)


def test_isometries_have_no_preferred_sign():
    first = torch.stack([isometry(5, 5, generator(seed))[0, 0] for seed in range(200)])
    assert abs(first.mean()) < 0.15
