"""Layers solved by least squares: exact at their cases, flat around them."""

from __future__ import annotations

import torch

from scribe_suite.planting.variables.features import Features, solved_features
from scribe_suite.planting.variables.simplex import simplex


def output(features: Features, inputs: torch.Tensor) -> torch.Tensor:
    return (inputs @ features.reads + features.bias).clamp(min=0) @ features.writes


def test_targets_are_met_where_they_were_asked_and_nearly_met_around():
    generator = torch.Generator().manual_seed(0)
    inputs = torch.cat([simplex(3).repeat_interleave(3, 0), simplex(3).repeat(3, 1)], 1)
    targets = simplex(3)[torch.tensor([(a + b) % 3 for a in range(3) for b in range(3)])]
    features = solved_features(inputs, targets, 64, generator)
    assert (output(features, inputs) - targets).abs().max() < 0.02
    near = inputs.repeat(20, 1) + 0.05 * torch.randn(180, 4, generator=generator)
    assert (output(features, near) - targets.repeat(20, 1)).norm(dim=1).mean() < 0.3


def test_the_same_generator_gives_the_same_layer():
    layers = [solved_features(simplex(3), torch.eye(3), 8, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)]
    assert layers[0].reads.equal(layers[1].reads)
    # the last bits of a least squares solution depend on where its arrays lie in memory
    assert layers[0].writes.allclose(layers[1].writes, atol=1e-6)
    assert not layers[0].reads.equal(layers[2].reads)


def test_a_simplex_has_unit_corners_around_zero():
    for corners in (2, 3, 5):
        points = simplex(corners)
        assert points.shape == (corners, corners - 1)
        assert (points.norm(dim=1) - 1).abs().max() < 1e-6
        assert points.sum(0).abs().max() < 1e-6
