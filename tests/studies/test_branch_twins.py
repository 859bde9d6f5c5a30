"""Models with a rare branch can't be told from null twins by sizes, and a test that they can would notice."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ground_truth.circuits.rare_branches.levels import LEVELS
from studies.branch_twins import compare, compared


@pytest.fixture(autouse=True, scope="module")
def _one_thread():
    torch.set_num_threads(1)


def test_a_statistic_that_tells_the_sorts_apart_is_found():
    rng = np.random.default_rng(0)
    is_twin = np.arange(60) % 2 == 1
    table = rng.normal(size=(60, 40))
    names = [f"s{number}" for number in range(40)]
    nothing = compared(table, names, is_twin)
    assert nothing.p > 0.05
    assert all(0.2 < auroc < 0.8 for auroc in nothing.classifiers.values())
    table[:, 7] += 3.0 * is_twin
    found = compared(table, names, is_twin)
    assert (found.furthest, found.p) == ("s7", pytest.approx(1 / 501))
    assert found.classifiers["logistic, 10 best"] > 0.9


@pytest.mark.exhaustive
def test_twins_are_not_told_apart():
    found = compare(LEVELS[1], 30)
    assert found.p > 0.01
    assert max(found.classifiers.values()) < 0.75
