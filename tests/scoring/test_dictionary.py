"""A dictionary is worth the features that are among its rows, and no more for rows that are not."""

from __future__ import annotations

import numpy as np
import pytest

from scribe_suite.planting.dictionaries.features import unit_rows
from scribe_suite.scoring.dictionary import ALIKE, DICTIONARY_METRICS, Matched, match, score_dictionary

RNG = np.random.default_rng(0)
RIGHT = unit_rows(RNG.standard_normal((50, 24)))


def turned(rows, cosine):
    aside = RNG.standard_normal(rows.shape)
    aside = unit_rows(aside - (aside * rows).sum(1, keepdims=True) * rows)
    return cosine * rows + np.sqrt(1 - cosine**2) * aside


def test_the_directions_themselves_in_any_order_length_sign_and_type_are_perfect():
    for rows in (RIGHT, -RIGHT[::-1], RIGHT * 1e-200, RIGHT * 1e300, RIGHT.astype(np.float16)):
        found = match(rows, RIGHT)
        assert (found.f1, found.precision, found.recall) == (1, 1, 1)
        assert found.mcc == pytest.approx(1, abs=1e-3)
        assert found.mcc <= 1


def test_nothing_and_rows_of_zeros_are_nothing():
    for rows in (np.empty((0, 24)), np.empty((0, 0)), np.zeros((7, 24))):
        assert match(rows, RIGHT) == Matched(0, 50, 0, 0.0)
        assert match(rows, RIGHT).precision == match(rows, RIGHT).f1 == 0
    assert match(np.concatenate([RIGHT, np.zeros((9, 24))]), RIGHT).f1 == 1


def test_rows_match_from_a_cosine_on():
    assert match(turned(RIGHT, ALIKE + 0.01), RIGHT).recall == 1
    assert match(turned(RIGHT, ALIKE - 0.01), RIGHT).matches == 0


def test_everything_does_not_pay():
    many = RNG.standard_normal((2000, 24))
    assert match(many, RIGHT).f1 < 0.05
    both = match(np.concatenate([RIGHT, many]), RIGHT)
    assert (both.recall, round(both.f1, 3)) == (1, round(100 / 2100, 3))
    assert match(np.concatenate([RIGHT] * 4), RIGHT).f1 == pytest.approx(2 / 5)


def test_one_row_is_no_match_for_two_features_and_two_rows_none_for_one():
    twins = unit_rows(np.array([[1.0, 0.2], [1.0, -0.2], [0.0, 1.0]]))
    assert match(np.array([[1.0, 0.0]]), twins).matches == 1
    assert match(twins[[0, 1]], twins[[0]]).matches == 1
    # each of both rows has a feature, whichever is nearer
    assert match(unit_rows(np.array([[1.0, 0.0], [1.0, -0.1]])), twins).matches == 2


def test_features_without_a_row_count_in_the_mean_correlation():
    assert match(RIGHT[:25], RIGHT).mcc == pytest.approx(0.5)


def test_skill_is_relative_to_what_the_samples_allow():
    ceiling = match(RIGHT[:40], RIGHT)
    score = score_dictionary(match(RIGHT[:20], RIGHT), ceiling)
    assert tuple(score.metrics) == DICTIONARY_METRICS
    assert score.skill == pytest.approx(score.metrics["f1"] / ceiling.f1)
    assert score.notes == ("Of 50 features, 20 are among 20 rows.",)
    assert score_dictionary(match(RIGHT, RIGHT), ceiling).skill == 1
    assert score_dictionary(match(np.empty((0, 24)), RIGHT), ceiling).skill == 0
