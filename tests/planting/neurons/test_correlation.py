"""Correlation in which positions count differently."""

from __future__ import annotations

import numpy as np
import pytest

from scribe_suite.planting.neurons.correlation import weighted_correlation

X, Y = np.array([0.0, 1.0, 2.0, 5.0]), np.array([1.0, 0.5, 3.0, 2.0])


def test_equal_weights_are_pearson_and_repeated_positions_are_larger_weights():
    assert weighted_correlation(X, Y, np.ones(4)) == pytest.approx(np.corrcoef(X, Y)[0, 1])
    twice = np.corrcoef(np.append(X, X[3]), np.append(Y, Y[3]))[0, 1]
    assert weighted_correlation(X, Y, np.array([1.0, 1.0, 1.0, 2.0])) == pytest.approx(twice)


def test_scale_does_not_matter_and_sign_does():
    weights = np.array([0.1, 0.2, 0.3, 0.4])
    right = weighted_correlation(X, Y, weights)
    assert weighted_correlation(1e200 * X, 1e-200 * Y + 0, weights) == pytest.approx(right)
    assert weighted_correlation(-3 * X + 1, Y, weights) == pytest.approx(-right)


def test_what_does_not_vary_where_it_counts_has_none():
    assert weighted_correlation(np.full(4, 7.0), Y, np.ones(4)) == 0.0
    assert weighted_correlation(X, Y, np.array([0.0, 0.0, 1.0, 0.0])) == 0.0
