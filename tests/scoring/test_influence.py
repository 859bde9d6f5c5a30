"""The score of a set of latents: a share of the best set's effect, on a scale from the mean set to the best one."""

from __future__ import annotations

import pytest

from scribe_suite.scoring.influence import INFLUENCE_METRICS, score_influence

BEST = [1, 2, 3, 4]


def test_the_best_set_has_skill_one_and_the_mean_set_none():
    score = score_influence(BEST, 2.0, BEST, 2.0, 0.2)
    assert (score.skill, score.metrics["share"], score.metrics["hits"]) == (1.0, 1.0, 1.0)
    assert tuple(score.metrics) == INFLUENCE_METRICS
    assert (score.chance, score.reference) == (0.1, 1.0)
    assert score_influence([7, 8], 0.2, BEST, 2.0, 0.2).skill == pytest.approx(0.0)


def test_nothing_is_worth_less_than_a_mean_set():
    score = score_influence([], 0.0, BEST, 2.0, 0.2)
    assert score.skill == pytest.approx(-0.1 / 0.9)
    assert score.metrics == {"share": 0.0, "hits": 0.0}


def test_another_set_counts_by_its_effect_not_by_its_members():
    score = score_influence([1, 9, 10, 11], 1.9, BEST, 2.0, 0.2)
    assert score.metrics == {"share": 0.95, "hits": 0.25}
    assert score.skill == pytest.approx(0.85 / 0.9)
