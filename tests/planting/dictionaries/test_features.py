"""Features have the directions and dependencies that their settings say."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from scribe_suite.planting.dictionaries.features import GROUP, MOST_OFTEN, Dial, draw_features

DIAL = Dial(width=32, features=200, active=6, noise=0.1, samples=100, turn=0.6)


def drawn(seed: int = 0, dial: Dial = DIAL):
    return draw_features(dial, np.random.default_rng(seed))


def test_the_same_seed_draws_the_same_features():
    one, same, other = drawn(1), drawn(1), drawn(2)
    for name in ("straight", "turned", "rates", "parents", "groups"):
        assert np.array_equal(getattr(one, name), getattr(same, name))
        assert not np.array_equal(getattr(one, name), getattr(other, name))


def test_directions_have_unit_length_and_turn_away_from_themselves():
    features = drawn()
    for rows in (features.straight, features.turned, features.directions):
        assert np.linalg.norm(rows, axis=1) == pytest.approx(1)
    assert (features.straight * features.turned).sum(1) == pytest.approx(0, abs=1e-9)
    cosines = (features.directions * features.straight).sum(1)
    assert cosines.max() - cosines.min() < 1e-9
    assert 0.9 < cosines[0] < 1
    assert drawn(dial=replace(DIAL, turn=0.0)).directions == pytest.approx(features.straight)


def test_as_many_features_as_were_asked_for_have_a_twin_a_parent_or_a_group():
    features = drawn()
    likeness = np.abs(features.straight @ features.straight.T - np.eye(200))
    assert (np.abs(likeness - DIAL.likeness) < 1e-9).any(1).sum() == 20
    assert (features.parents >= 0).sum() == 30
    assert np.bincount(features.groups[features.groups >= 0]).tolist() == [GROUP] * 8
    assert not ((features.parents >= 0) & (features.groups >= 0)).any()
    parents = features.parents[features.parents >= 0]
    assert (features.parents[parents] < 0).all()
    assert (features.groups[parents] < 0).all()


def test_rates_follow_a_power_law_and_add_up():
    features = drawn()
    assert features.rates.sum() == pytest.approx(DIAL.active)
    ordered = np.sort(features.rates)[::-1]
    assert ordered[0] / ordered[99] == pytest.approx(100**DIAL.skew)
    assert drawn(dial=replace(DIAL, skew=3.0)).rates.max() == MOST_OFTEN


@pytest.mark.parametrize("turn", [0.0, 0.8])
def test_the_mean_contribution_is_that_of_many_draws(turn):
    dial = replace(DIAL, turn=turn)
    magnitudes = dial.magnitudes(np.random.default_rng(0).standard_normal(400_000))
    angles = dial.turns(magnitudes)
    assert magnitudes.mean() == pytest.approx(1, abs=0.01)
    along, across = (magnitudes * np.cos(angles)).mean(), (magnitudes * np.sin(angles)).mean()
    assert dial.mean_contribution == pytest.approx((along, across), abs=0.01)
