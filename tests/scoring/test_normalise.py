from __future__ import annotations

import random

import pytest

from scribe_suite.scoring.normalise import SMALLEST_RANGE, best_blind_answer, expected_score, normalised_skill
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


ELEMENTS = [f"a{i}" for i in range(6)] + [f"b{i}" for i in range(6)]
GROUPS = [ELEMENTS[:6], ELEMENTS[6:]]


def test_a_key_that_never_changes_is_what_a_blind_guesser_submits() -> None:
    key = frozenset({"a1", "b3", "b4"})
    assert best_blind_answer([key] * 5, GROUPS, f1) == key


def test_keys_within_one_group_make_that_group_the_blind_answer() -> None:
    rng = random.Random(0)
    keys = [frozenset(rng.sample(GROUPS[1], 5)) for _ in range(200)]
    assert best_blind_answer(keys, GROUPS, f1) == frozenset(GROUPS[1])


def test_large_keys_make_everything_the_blind_answer() -> None:
    keys = [frozenset(ELEMENTS) - {element} for element in ELEMENTS]
    assert best_blind_answer(keys, GROUPS, f1) == frozenset(ELEMENTS)


def test_no_group_and_no_prefix_beats_the_blind_answer() -> None:
    rng = random.Random(1)
    keys = [frozenset(rng.sample(ELEMENTS, rng.randint(1, 4))) for _ in range(100)]
    best = expected_score(best_blind_answer(keys, GROUPS, f1), keys, f1)
    candidates = [frozenset(ELEMENTS), *map(frozenset, GROUPS), *(frozenset({element}) for element in ELEMENTS)]
    assert best >= max(expected_score(candidate, keys, f1) for candidate in candidates)


def test_the_blind_answer_does_not_depend_on_the_order_of_keys_and_groups() -> None:
    rng = random.Random(2)
    keys = [frozenset(rng.sample(ELEMENTS, 3)) for _ in range(30)]
    assert best_blind_answer(keys, GROUPS, f1) == best_blind_answer(keys[::-1], GROUPS[::-1], f1)


@pytest.mark.parametrize(("keys", "groups"), [([], GROUPS), ([frozenset({"a1"})], [])])
def test_nothing_to_choose_from_is_refused(keys: list[frozenset[str]], groups: list[list[str]]) -> None:
    with pytest.raises(ValueError, match="needs keys and groups"):
        best_blind_answer(keys, groups, f1)


def test_the_expected_score_is_the_mean_over_the_keys() -> None:
    keys = [frozenset({"a1", "a2"}), frozenset({"a1"}), frozenset({"b1"})]
    assert expected_score(frozenset({"a1"}), keys, f1) == pytest.approx((2 / 3 + 1 + 0) / 3)


def test_a_fixed_answer_has_mean_skill_zero_at_its_own_expected_score() -> None:
    rng = random.Random(4)
    keys = [frozenset(rng.sample(ELEMENTS, rng.randint(1, 3))) for _ in range(200)]
    blind = best_blind_answer(keys, GROUPS, f1)
    chance = expected_score(blind, keys, f1)
    skills = [normalised_skill(f1(blind, key), chance, 1.0) for key in keys]
    assert sum(skills) / len(skills) == pytest.approx(0.0, abs=1e-9)
    # some keys it hits better than others: that chance is not each key's own is what makes luck even out
    assert min(skills) < 0 < max(skills)
