"""Recipes find what was put into the activations, and take out what they shall and nothing else."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from scribe_suite.scoring.probes import probe_accuracy
from scribe_suite.scoring.recipes import mean_difference, one_hot, principal_directions, without

WIDTH = 6


def balanced(repeats: int = 8) -> tuple[np.ndarray, np.ndarray]:
    """Every combination of a truth and two nuisance columns (of two and three values), equally often."""
    table = np.array(list(itertools.product([0, 1], [7, 3], [10, 20, 30], range(repeats))))
    return table[:, 0] == 1, table[:, 1:3]


def noise(rows: int, size: float = 1.0, seed: int = 0) -> np.ndarray:
    return size * np.random.default_rng(seed).normal(size=(rows, WIDTH))


def along(index: int) -> np.ndarray:
    return np.eye(WIDTH)[index]


class TestMeanDifference:
    def test_the_weight_is_the_difference_and_the_threshold_half_way(self) -> None:
        hidden = np.array([[1.0, 0.0], [3.0, 0.0], [0.0, 5.0], [0.0, 7.0]])
        probe = mean_difference(hidden, np.array([True, True, False, False]))
        assert probe.weight.tolist() == [2.0, -6.0]
        assert probe.center.tolist() == [1.0, 3.0]
        assert probe.bias == 0.0

    def test_true_is_the_positive_side(self) -> None:
        labels, _ = balanced()
        hidden = np.where(labels, 2.0, -2.0)[:, None] * along(1) + noise(len(labels), 0.1)
        assert probe_accuracy(mean_difference(hidden, labels), hidden, labels) == 1.0
        assert probe_accuracy(mean_difference(hidden, ~labels), hidden, labels) == 0.0

    def test_a_rare_class_does_not_move_the_threshold(self) -> None:
        labels = np.arange(200) < 10
        hidden = np.where(labels, 9.0, 7.0)[:, None] * along(0) + noise(200, 0.05)
        probe = mean_difference(hidden, labels)
        assert probe.center[0] == pytest.approx(8.0, abs=0.1)
        assert probe_accuracy(probe, hidden, labels) == 1.0


class TestOneHot:
    def test_every_value_of_every_column_has_an_indicator(self) -> None:
        columns = np.array([[5, 1], [7, 1], [5, 2]])
        assert one_hot(columns).tolist() == [[1, 0, 1, 0], [0, 1, 1, 0], [1, 0, 0, 1]]

    def test_every_row_has_one_value_per_column(self) -> None:
        _, columns = balanced()
        found = one_hot(columns)
        assert found.shape == (len(columns), 2 + 3)
        assert (found[:, :2].sum(1) == 1).all()
        assert (found[:, 2:].sum(1) == 1).all()

    def test_a_column_of_one_value_is_all_ones(self) -> None:
        assert one_hot(np.array([[4], [4]])).tolist() == [[1.0], [1.0]]


class TestWithout:
    def test_the_nuisance_is_gone_exactly(self) -> None:
        _, columns = balanced()
        hidden = noise(len(columns)) + 5.0 + 40.0 * one_hot(columns) @ np.ones((5, WIDTH))
        left = without(hidden, one_hot(columns))
        for column in columns.T:
            for value in np.unique(column):
                np.testing.assert_allclose(left[column == value].mean(0), 0.0, atol=1e-9)

    def test_it_does_not_matter_how_much_nuisance_there_was(self) -> None:
        _, columns = balanced()
        frame = one_hot(columns)
        added = frame @ np.random.default_rng(1).normal(scale=100.0, size=(5, WIDTH))
        np.testing.assert_allclose(
            without(noise(len(frame)) + added + 3.0, frame), without(noise(len(frame)), frame), atol=1e-9
        )

    def test_what_the_nuisance_does_not_explain_stays_exactly(self) -> None:
        labels, columns = balanced()
        truth = np.where(labels, 1.0, -1.0)[:, None] * along(2)
        nuisance = 9.0 * one_hot(columns) @ np.random.default_rng(1).normal(size=(5, WIDTH))
        np.testing.assert_allclose(without(truth + nuisance, one_hot(columns)), truth, atol=1e-9)

    def test_twice_is_as_good_as_once(self) -> None:
        _, columns = balanced()
        once = without(noise(len(columns)), one_hot(columns))
        np.testing.assert_allclose(without(once, one_hot(columns)), once, atol=1e-9)

    def test_no_nuisance_leaves_the_centred_activations(self) -> None:
        hidden = noise(20)
        np.testing.assert_allclose(without(hidden, np.zeros((20, 0))), hidden - hidden.mean(0), atol=1e-9)

    def test_numbers_are_nuisance_as_well_as_indicators(self) -> None:
        slope = np.linspace(-1, 1, 40)[:, None]
        left = without(noise(40) + 30 * slope, slope)
        np.testing.assert_allclose(slope.T @ left, 0.0, atol=1e-9)


class TestPrincipalDirections:
    def spread(self) -> np.ndarray:
        """Uncorrelated activations whose axis 3 varies most, then 0, then 5."""
        rng = np.random.default_rng(0)
        signs, _ = np.linalg.qr(rng.normal(size=(300, WIDTH + 1)) + np.eye(300, WIDTH + 1, k=-10))
        signs -= signs.mean(0)
        axes, _ = np.linalg.qr(signs)
        return axes[:, :WIDTH] * np.array([5.0, 0.1, 0.2, 9.0, 0.3, 2.0])

    def test_the_largest_variance_comes_first(self) -> None:
        found = principal_directions(self.spread(), 3)
        np.testing.assert_allclose(np.abs(found), np.eye(WIDTH)[[3, 0, 5]], atol=1e-6)

    def test_one_direction_is_the_default_and_more_are_orthonormal(self) -> None:
        assert principal_directions(noise(50)).shape == (1, WIDTH)
        several = principal_directions(noise(50), 4)
        np.testing.assert_allclose(several @ several.T, np.eye(4), atol=1e-9)
        np.testing.assert_array_equal(several[:1], principal_directions(noise(50)))

    def test_a_common_offset_is_no_direction(self) -> None:
        offset = 1_000.0 * along(1)
        found = principal_directions(self.spread() + offset)
        np.testing.assert_allclose(np.abs(found[0]), along(3), atol=1e-6)

    def test_directions_turn_with_the_activations(self) -> None:
        rotation, _ = np.linalg.qr(noise(WIDTH))
        found = principal_directions(self.spread() @ rotation)[0]
        np.testing.assert_allclose(np.abs(found @ rotation.T), along(3), atol=1e-6)


def test_the_truth_is_the_first_component_only_when_the_nuisance_is_taken_away() -> None:
    labels, columns = balanced(30)
    truth = np.where(labels, 1.0, -1.0)[:, None] * along(2)
    nuisance = np.where(columns[:, [0]] == 7, 6.0, -6.0) * along(4) + (columns[:, [1]] - 20) / 5.0 * along(5)
    hidden = truth + nuisance + noise(len(labels), 0.3)
    assert abs(principal_directions(hidden)[0] @ along(2)) < 0.1
    assert abs(principal_directions(without(hidden, one_hot(columns)))[0] @ along(2)) > 0.98
