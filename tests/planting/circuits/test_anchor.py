"""Under LayerNorm and next to a long constant, a network computes what it computed without either."""

from __future__ import annotations

import pytest
import torch

from scribe_suite.planting.circuits.anchor import DIMENSIONS, under_layer_norm
from scribe_suite.planting.circuits.patchable import PatchableTransformer
from tests.planting.circuits.small_circuit import HalfThenLabel, planted_shape


def tokens():
    return HalfThenLabel().sample(64, torch.Generator().manual_seed(3))


@torch.no_grad()
def plain() -> PatchableTransformer:
    return PatchableTransformer(planted_shape(), 0)


@torch.no_grad()
def anchored(length: float) -> PatchableTransformer:
    return under_layer_norm(plain(), tokens(), length, torch.Generator().manual_seed(1))


@torch.no_grad()
def error(length: float) -> float:
    wanted, found = plain()(tokens())[0], anchored(length)(tokens())[0]
    return float((found - wanted).abs().max() / wanted.std())


def test_the_longer_the_constant_the_nearer_it_is():
    assert error(100.0) < 0.05
    assert error(100.0) < error(10.0) < error(1.0)


@torch.no_grad()
def test_it_has_layer_norm_and_two_more_dimensions():
    shape = anchored(5.0).shape
    assert shape.normalization == "LN"
    assert shape.d_model == plain().shape.d_model + DIMENSIONS


@torch.no_grad()
def test_nothing_is_written_along_the_mean_and_nobody_reads_the_constant():
    long, short = anchored(50.0), anchored(5.0)
    for name in ("W_E", "W_O", "W_out"):
        assert getattr(long, name).mean(-1).abs().max() < 1e-5
    constant = (long.W_pos - short.W_pos)[0]
    constant /= constant.norm()
    assert abs(constant.mean()) < 1e-5
    for matrix in (long.W_Q, long.W_K, long.W_V, long.W_in, long.W_U):
        assert torch.einsum("...do,d->...o", matrix, constant).abs().max() < 1e-4 * matrix.abs().max()


def test_a_network_with_layer_norm_is_refused():
    network = PatchableTransformer(planted_shape(normalization="LN"), 0)
    with pytest.raises(ValueError, match="without LayerNorm"):
        under_layer_norm(network, tokens(), 5.0, torch.Generator())
