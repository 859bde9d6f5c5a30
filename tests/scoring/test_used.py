"""The score of probabilities: proper, 1 for the truth, and at most 0 on average for what never changes."""

from __future__ import annotations

import itertools
from statistics import fmean

import pytest

from scribe_suite.planting.variables.used.plans import BASE_RATE, MOST_USED, PROPERTIES
from scribe_suite.scoring.used import CHANCE, USED_METRICS, score_used

NAMES = [f"p{number}" for number in range(PROPERTIES)]


def truths():
    """All truths, each number of used properties equally often."""
    for count in range(MOST_USED + 1):
        chosen = [*itertools.combinations(NAMES, count)]
        yield [{name: name in used for name in NAMES} for used in chosen]


def mean_skill(said: dict[str, float]) -> float:
    return fmean(fmean(score_used(said, truth).skill for truth in same) for same in truths())


@pytest.mark.parametrize("truth", [same[0] for same in truths()])
def test_the_truth_has_skill_one_and_its_opposite_the_least(truth):
    score = score_used({name: float(used) for name, used in truth.items()}, truth)
    assert (score.skill, score.metrics["score"]) == (1.0, 1.0)
    assert tuple(score.metrics) == USED_METRICS
    assert score_used({name: 1.0 - used for name, used in truth.items()}, truth).skill == -1.0


def test_the_best_fixed_answer_is_the_base_rate_and_it_has_no_skill():
    assert mean_skill(dict.fromkeys(NAMES, BASE_RATE)) == pytest.approx(0.0, abs=1e-9)
    for share in (0.0, 0.1, 0.15, 0.3, 0.5, 1.0):
        assert mean_skill(dict.fromkeys(NAMES, share)) < -0.01
    assert mean_skill({**dict.fromkeys(NAMES, 0.0), "p0": 1.0}) < -0.01


def test_an_answer_without_content_counts_as_undecided():
    for same in truths():
        assert score_used({}, same[0]).skill == score_used(dict.fromkeys(NAMES, 0.5), same[0]).skill < 0


def test_errors_are_shown_by_kind():
    truth = {"p0": True, "p1": False, "p2": False}
    score = score_used({"p0": 0.5, "p1": 0.2, "p2": 0.0}, truth)
    assert score.metrics["error_used"] == pytest.approx(0.25)
    assert score.metrics["error_unused"] == pytest.approx(0.02)
    assert score.chance == CHANCE
