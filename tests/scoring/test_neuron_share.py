"""Neurons of a real model: the score is what the submitted ones have of what the best ones have."""

from __future__ import annotations

import numpy as np
import pytest

from scribe_suite.scoring.neuron_share import (
    SHARE_METRICS,
    Places,
    crossed_top_mean,
    fixed_share,
    score_places,
    top,
    top_mean,
)
from scribe_suite.tasks.task import Score

RVE = np.array([0.5, -0.4, 0.3, 0.4, 0.0, 0.01, -0.6, 0.02])
UNTRAINED = 0.05


def places(*neurons: int, count: int = 3, reference: float = 0.39) -> Places:
    return Places(
        given=[float(RVE[neuron]) for neuron in neurons],
        places=count,
        best=top_mean(RVE, count),
        reference=reference,
        untrained=UNTRAINED,
    )


def score(*neurons: int, count: int = 3) -> Score:
    return score_places([places(*neurons, count=count)])


def test_the_best_neurons_have_all_of_it() -> None:
    found = score(0, 3, 2)
    assert set(found.metrics) == set(SHARE_METRICS)
    assert found.metrics == pytest.approx({"rve_share": 1.0, "untrained_share": UNTRAINED / 0.4})
    assert (found.primary, found.skill) == ("rve_share", 1.0)  # above the reference is still 1


def test_what_an_honest_choice_reaches_is_the_reference() -> None:
    one = Places(given=[0.39] * 3, places=3, best=0.4, reference=0.39, untrained=UNTRAINED)
    found = score_places([one])
    assert found.skill == pytest.approx(1.0)
    assert found.metrics["rve_share"] == pytest.approx(0.39 / 0.4)
    assert found.notes == ("The neurons have a mean statistic of 0.390, the best ones 0.400.",)


def test_neurons_as_good_as_an_untrained_model_s_have_no_skill() -> None:
    one = Places(given=[UNTRAINED] * 3, places=3, best=0.4, reference=0.39, untrained=UNTRAINED)
    assert score_places([one]).skill == pytest.approx(0.0)


def test_random_neurons_have_no_skill() -> None:
    rng = np.random.default_rng(0)
    large = np.concatenate([[0.5, 0.4, 0.3], rng.normal(0, 0.01, 5_000)])
    skills = []
    for _ in range(200):
        chosen = rng.choice(len(large), 3, replace=False)
        given = [float(large[neuron]) for neuron in chosen]
        skills.append(score_places([Places(given, 3, 0.4, 0.39, UNTRAINED)]).skill)
    assert np.mean(skills) < 0.0


def test_an_empty_answer_is_below_an_untrained_model() -> None:
    found = score()
    assert found.metrics["rve_share"] == 0.0
    assert found.skill < 0.0


def test_a_place_left_empty_counts_as_nothing() -> None:
    assert score(0).metrics["rve_share"] == pytest.approx(0.5 / 3 / 0.4)
    assert score(0).skill < score(0, 3).skill < score(0, 3, 2).skill


def test_more_neurons_than_places_are_an_error() -> None:
    with pytest.raises(ValueError, match="8 neurons for 3 places"):
        score(*range(8))


def test_neurons_with_the_opposite_sign_are_worse_than_none() -> None:
    assert score(6, 1).skill < score().skill
    assert score(6, 1, 4).skill == -1.0


def test_the_order_does_not_count() -> None:
    assert score(2, 0, 3) == score(0, 3, 2)


def test_several_properties_count_the_same() -> None:
    both = score_places([places(0, count=1, reference=0.5), places(4, count=1, reference=0.5)])
    assert both.metrics["rve_share"] == pytest.approx(0.25 / 0.5)
    assert both.skill == pytest.approx((0.25 - UNTRAINED) / (0.5 - UNTRAINED))


def test_nothing_asked_is_an_error() -> None:
    with pytest.raises(ValueError, match="no property"):
        score_places([])


def test_properties_that_differ_in_what_can_be_reached_give_the_same_share() -> None:
    loud, faint = ([scale * value for value in (0.5, 0.4, 0.3, 0.39, UNTRAINED)] for scale in (1.0, 0.25))
    found = [score_places([Places(one[:2], 2, one[0], one[3], one[4])]) for one in (loud, faint)]
    assert found[0].metrics == pytest.approx(found[1].metrics)
    assert found[0].skill == pytest.approx(found[1].skill)


def test_a_property_that_no_neuron_has_is_an_error() -> None:
    with pytest.raises(ValueError, match="no share"):
        score_places([Places([0.0], 1, best=0.0, reference=0.0, untrained=0.0)])


def test_an_untrained_model_as_good_as_the_reference_is_an_error() -> None:
    with pytest.raises(ValueError, match="does not beat chance"):
        score_places([Places([0.1], 1, best=0.1, reference=0.051, untrained=0.05)])


class TestTop:
    def test_is_the_highest_first(self) -> None:
        assert top(RVE, 3) == [0, 3, 2]
        assert top_mean(RVE, 2) == pytest.approx(0.45)

    def test_of_equal_ones_is_the_first_in_the_model(self) -> None:
        assert top(np.array([0.1, 0.2, 0.2, 0.2]), 2) == [1, 2]


class TestCrossedTopMean:
    def test_is_the_mean_of_the_best_where_the_halves_agree(self) -> None:
        assert crossed_top_mean(RVE, RVE, 3) == pytest.approx(top_mean(RVE, 3))

    def test_measures_the_choice_of_one_half_on_the_other(self) -> None:
        first, second = np.array([0.9, 0.1, 0.5]), np.array([0.2, 0.8, 0.4])
        assert crossed_top_mean(first, second, 1) == pytest.approx((0.2 + 0.1) / 2)

    def test_leaves_nothing_of_luck(self) -> None:
        rng = np.random.default_rng(1)
        first, second = rng.normal(0, 1, 10_000), rng.normal(0, 1, 10_000)
        assert top_mean(first, 5) > 3
        assert abs(crossed_top_mean(first, second, 5)) < 1


def share_of(statistic: np.ndarray, places: list[int]) -> float:
    """With an untrained model that has 0 of everything, and the best neurons as the reference."""
    reference = np.stack([[top_mean(row, count) for count in places] for row in statistic])
    return fixed_share(statistic, np.zeros_like(reference), reference, places)


def test_neurons_that_all_properties_share_are_all_of_the_way() -> None:
    assert share_of(np.tile(RVE, (3, 1)), [1, 2]) == 1.0


def test_neurons_that_no_two_properties_share_are_one_part_of_the_way() -> None:
    assert share_of(np.eye(4), [1]) == pytest.approx(1 / 4)
    assert share_of(np.eye(4), [2]) == pytest.approx(2 / 4)  # two places: each hit is half of what one has


def test_a_fixed_answer_below_the_untrained_model_moves_nothing() -> None:
    statistic, one = np.eye(4), np.ones((4, 1))
    assert fixed_share(statistic, 0.5 * one, one, [1]) == 0.0


def test_a_fixed_answer_has_no_skill_on_average() -> None:
    rng = np.random.default_rng(3)
    statistic = rng.exponential(0.05, (12, 300))
    statistic[:, 0] += 0.2  # one neuron has something of everything
    untrained = np.full((12, 1), 0.1)
    reference = np.stack([[top_mean(row, 2)] for row in statistic])
    fixed = fixed_share(statistic, untrained, reference, [2])
    assert 0.1 < fixed < 0.9
    answers = {tuple(top(row, 2)) for row in (*statistic, (statistic / (reference - untrained)).mean(0))}
    means = []
    for answer in answers:
        asked = [
            Places([float(row[one]) for one in answer], 2, top_mean(row, 2), float(one_reference), 0.1)
            for row, (one_reference,) in zip(statistic, reference, strict=True)
        ]
        means.append(np.mean([score_places([one], fixed).skill for one in asked]))
    assert max(means) == pytest.approx(0.0, abs=1e-6)


def test_chance_lies_on_the_way_from_the_untrained_model_to_the_reference() -> None:
    asked = [places(0, 3, 2)]
    assert score_places(asked).chance == pytest.approx(UNTRAINED / 0.4)
    moved = score_places(asked, fixed=0.25)
    assert moved.chance == pytest.approx((UNTRAINED + 0.25 * (0.39 - UNTRAINED)) / 0.4)
    assert moved.metrics == score_places(asked).metrics


def test_a_fixed_answer_that_is_right_for_everything_leaves_room_for_a_skill() -> None:
    found = score_places([places(0, 3, 2)], fixed=1.0)
    assert found.skill == 1.0
    assert 0.02 <= found.reference - found.chance < 0.021
