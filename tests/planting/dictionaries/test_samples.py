"""Samples are what their features contribute, and features occur as their families let them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from scribe_suite.planting.dictionaries.features import MOST_WITH_PARENT, Dial, draw_features
from scribe_suite.planting.dictionaries.samples import draw_samples

DIAL = Dial(width=32, features=60, active=4, noise=0.0, samples=20_000, twins=0.1)


def drawn(dial: Dial = DIAL, seed: int = 0):
    rng = np.random.default_rng(seed)
    features = draw_features(dial, rng)
    return features, draw_samples(features, rng)


def test_without_noise_and_turn_a_sample_is_the_sum_of_magnitudes_times_directions():
    features, samples = drawn()
    assert samples.activations.dtype == np.float32
    assert np.allclose(samples.activations, samples.magnitudes @ features.directions, atol=1e-5)
    assert np.allclose(samples.least_squares(), features.directions, atol=1e-4)


def test_noise_is_as_large_as_it_says():
    features, samples = drawn(replace(DIAL, noise=0.2))
    noise = samples.activations - samples.magnitudes @ features.straight
    assert noise.std() == pytest.approx(0.2, rel=0.01)


def test_contributions_that_turn_have_the_directions_asked_for_on_average():
    features, samples = drawn(replace(DIAL, turn=0.8, samples=40_000))
    active = (samples.magnitudes > 0).astype(float)
    counts = (active.T @ active).toarray()
    found = np.linalg.solve(counts + 1e-6 * np.eye(len(counts)), active.T @ samples.activations)
    cosines = (found * features.directions).sum(1) / np.linalg.norm(found, axis=1)
    assert cosines.min() > 0.98
    straight = (found * features.straight).sum(1) / np.linalg.norm(found, axis=1)
    assert straight.mean() < cosines.mean()


def test_children_come_with_their_parents_and_a_group_has_one_at_a_time():
    features, samples = drawn()
    active = samples.magnitudes.toarray() > 0
    for child in np.flatnonzero(features.parents >= 0):
        parent = active[:, features.parents[child]]
        assert not (active[:, child] & ~parent).any()
        assert 0 < active[:, child].sum() <= MOST_WITH_PARENT * parent.sum() * 1.1
    for group in range(features.groups.max() + 1):
        assert active[:, features.groups == group].sum(1).max() == 1
    single = (features.parents < 0) & (features.groups < 0)
    assert active.mean(0)[single] == pytest.approx(features.rates[single], rel=0.15)


def test_a_feature_that_never_occurs_costs_least_squares_nothing_else():
    _, samples = drawn()
    magnitudes = samples.magnitudes.tolil()
    magnitudes[:, 3] = 0
    found = replace(samples, magnitudes=magnitudes.tocsr()).least_squares()
    assert np.isfinite(found).all()
