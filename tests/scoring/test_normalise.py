from __future__ import annotations

import pytest

from scribe_suite.scoring.normalise import SMALLEST_RANGE, expected_score, normalised_skill
from scribe_suite.scoring.sets import f1


@pytest.mark.parametrize(
    ("score", "skill"), [(0.2, 0.0), (0.8, 1.0), (0.5, 0.5), (1.0, 1.0), (0.1, -1 / 6), (0.0, -1 / 3)]
)
def test_skill_is_linear_between_chance_and_reference(score: float, skill: float) -> None:
    assert normalised_skill(score, chance=0.2, reference=0.8) == pytest.approx(skill)


def test_skill_is_bounded_on_both_sides() -> None:
    assert normalised_skill(1.0, chance=0.1, reference=0.2) == 1.0
    assert normalised_skill(0.0, chance=0.5, reference=0.6) == -1.0


def test_a_reference_that_is_no_better_than_chance_is_refused() -> None:
    with pytest.raises(ValueError, match="does not beat chance"):
        normalised_skill(0.5, chance=0.5, reference=0.5 + SMALLEST_RANGE / 2)
    with pytest.raises(ValueError, match="does not beat chance"):
        normalised_skill(0.5, chance=0.9, reference=0.1)


def test_the_smallest_allowed_range_still_gives_a_skill() -> None:
    assert normalised_skill(0.25, chance=0.0, reference=0.25) == 1.0


def test_the_expected_score_is_the_mean_over_the_keys() -> None:
    keys = [frozenset({"a1", "a2"}), frozenset({"a1"}), frozenset({"b1"})]
    assert expected_score(frozenset({"a1"}), keys, f1) == pytest.approx((2 / 3 + 1 + 0) / 3)
