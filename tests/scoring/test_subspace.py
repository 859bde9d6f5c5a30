"""The score of a subspace: both counts, chance at zero, and the planted subspace as the reference."""

from __future__ import annotations

import pytest

from scribe_suite.planting.variables.interchange import Rates
from scribe_suite.scoring.subspace import CHANCE, SUBSPACE_METRICS, score_subspace

THIRDS = (1 / 3, 1 / 3)
PERFECT = Rates(1.0, 1.0, THIRDS)


def test_a_score_has_both_counts_and_skill_by_the_reference():
    score = score_subspace(Rates(2 / 3, 1.0, THIRDS), PERFECT)
    assert tuple(score.metrics) == SUBSPACE_METRICS
    assert (score.metrics["interchange"], score.metrics["isolation"]) == (2 / 3, 1.0)
    assert score.skill == pytest.approx(2 / 3)
    assert (score.chance, score.reference) == (CHANCE, 1.0)


@pytest.mark.parametrize("rates", [Rates(1.0, 0.0, THIRDS), Rates(0.0, 1.0, THIRDS), Rates(1 / 3, 1 / 3, THIRDS)])
def test_everything_nothing_and_luck_have_no_skill(rates):
    assert score_subspace(rates, PERFECT).skill == 0.0


def test_a_reference_below_one_is_skill_one():
    imperfect = Rates(0.98, 0.99, THIRDS)
    assert score_subspace(imperfect, imperfect).skill == pytest.approx(1.0)
    assert score_subspace(PERFECT, imperfect).skill == 1.0
