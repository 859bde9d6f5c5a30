"""Random maps that keep lengths, and spectra that vary to both sides."""

import pytest
import torch

from scribe_suite.planting.circuits.random_maps import isometry, turn, varied_spectrum


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def entropy_rank(matrix) -> float:
    shares = torch.linalg.svdvals(matrix).pow(2)
    shares = shares / shares.sum()
    return float(torch.special.entr(shares).sum().exp())


@pytest.mark.parametrize(("rows", "columns"), [(7, 7), (4, 9), (9, 4)])
def test_an_isometry_keeps_lengths_where_it_can(rows, columns):
    drawn = isometry(rows, columns, generator())
    small = drawn @ drawn.T if rows <= columns else drawn.T @ drawn
    assert drawn.shape == (rows, columns)
    assert torch.allclose(small, torch.eye(min(rows, columns)), atol=1e-5)


def test_isometries_have_no_preferred_sign():
    first = torch.stack([isometry(5, 5, generator(seed))[0, 0] for seed in range(200)])
    assert abs(first.mean()) < 0.15


@pytest.mark.parametrize("angle", [0.1, 0.3])
def test_a_turn_is_a_rotation_by_its_angle(angle):
    turned = turn(40, angle, generator())
    assert torch.allclose(turned @ turned.T, torch.eye(40), atol=1e-5)
    angles = torch.linalg.eigvals(turned).angle()
    assert angles.pow(2).mean().sqrt() == pytest.approx(angle, rel=0.15)


def test_a_varied_spectrum_has_the_same_size_and_directions():
    matrix = torch.randn(6, 10, generator=generator()) @ torch.diag(torch.arange(10.0))
    varied = varied_spectrum(matrix, 0.3, generator(1))
    assert varied.norm() == pytest.approx(matrix.norm().item(), rel=1e-4)
    assert not torch.allclose(varied, matrix, rtol=0.01)
    left, _, right = torch.linalg.svd(matrix, full_matrices=False)
    inside = left.T @ varied @ right.T
    assert (inside - torch.diag(inside.diagonal())).abs().max() < 1e-3


def test_it_is_flatter_as_often_as_steeper():
    matrix = torch.randn(12, 20, generator=generator()) @ torch.diag(0.8 ** torch.arange(20.0))
    changes = [
        entropy_rank(varied_spectrum(matrix, 0.25, generator(seed))) - entropy_rank(matrix) for seed in range(200)
    ]
    flatter = sum(change > 0 for change in changes)
    assert 70 < flatter < 130
