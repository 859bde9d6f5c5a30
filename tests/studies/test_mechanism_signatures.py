"""Statistics that tell a program's nodes from the others: the AUROC of each."""

import numpy as np

from studies.mechanism_signatures import told_apart

INSIDE = np.array([True, True, False, False, False])


def test_a_larger_value_inside_is_1_outside_0_and_no_difference_a_half() -> None:
    larger = np.array([5.0, 4.0, 3.0, 2.0, 1.0])
    values = np.stack([larger, -larger, np.ones(5)], axis=1)
    assert told_apart(values, INSIDE).tolist() == [1.0, 0.0, 0.5]


def test_values_that_are_not_finite_say_nothing() -> None:
    nothing, some = np.full(5, np.nan), np.array([np.inf, np.nan, 3.0, 3.0, 3.0])
    assert told_apart(np.stack([nothing, some], axis=1), INSIDE).tolist() == [0.5, 0.5]
