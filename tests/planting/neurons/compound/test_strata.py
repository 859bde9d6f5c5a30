"""How much positions count: thirds, and within them all alternatives and all conditions the same."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from scribe_suite.planting.neurons.compound.rules import Strata
from scribe_suite.planting.neurons.compound.strata import position_weights, stratum_of

FIRES = torch.tensor([[-1, 0, 0, 0, 1, -1, -1, -1, -1]])
NEAR = torch.tensor([[2, -1, -1, -1, -1, 0, 3, 3, -1]])


def test_position_0_does_not_count():
    assert stratum_of(Strata(FIRES, NEAR)).tolist() == [-1, 0, 0, 0, 0, 1, 1, 1, 2]
    assert position_weights(Strata(FIRES, NEAR))[0] == 0.0


def test_strata_count_a_third_and_kinds_within_them_the_same():
    weights = position_weights(Strata(FIRES, NEAR))
    assert weights.sum() == pytest.approx(1)
    assert weights[1:4] == pytest.approx(np.full(3, 1 / 18))
    assert weights[4] == pytest.approx(1 / 6)
    assert weights[5] == pytest.approx(1 / 6)
    assert weights[6:8] == pytest.approx(np.full(2, 1 / 12))
    assert weights[8] == pytest.approx(1 / 3)


def test_a_stratum_without_positions_leaves_its_third_to_the_others():
    weights = position_weights(Strata(FIRES, torch.full_like(NEAR, -1)))
    assert weights[1:5].sum() == pytest.approx(0.5)
    assert weights[5:].sum() == pytest.approx(0.5)
