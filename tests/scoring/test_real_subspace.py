"""Scores of subspaces: each part by hand, and what answers are worth where there is something to find and where not."""

from __future__ import annotations

import math

import pytest
import torch

from scribe_suite.planting.variables.interchange import orthonormal
from scribe_suite.scoring.crossed_prompts import Exchanges, Spot, both_changed
from scribe_suite.scoring.real_subspace import (
    FOUND_BAR,
    REAL_SUBSPACE_METRICS,
    Parts,
    log_odds,
    measured_parts,
    parts_of,
    score_claim,
    score_nothing_found,
)

from . import tiny_circuit
from .test_crossed_prompts import PROMPTS

CONTEXTS = 2
#: Odds of the asked property 2 either way, those of the other one 1; rows by context, first, second.
BEFORE = torch.tensor([[x, y] for _ in range(CONTEXTS) for x in (-2.0, 2.0) for y in (-1.0, 1.0)])
SOURCES = both_changed(CONTEXTS)
GOOD = Parts(0.9, 0.8, 0.9, 0.9)


def parts(after=None, control=None, asked=0) -> Parts:
    return parts_of(BEFORE, BEFORE if after is None else after, BEFORE if control is None else control, SOURCES, asked)


def moved(x: float, y: float) -> torch.Tensor:
    """Odds after an exchange that brings these shares of both properties."""
    return BEFORE + (BEFORE[SOURCES] - BEFORE) * torch.tensor([x, y])


class TestParts:
    def test_moving_the_asked_property_alone_is_perfect(self):
        assert parts(moved(1, 0)) == Parts(1, 1, 1, 1)

    def test_moving_nothing_or_everything_scores_nothing(self):
        assert parts() == Parts(0, 0, 1, 1)
        assert parts(moved(1, 1)) == Parts(1, 1, 0, 1)
        assert parts().score == parts(moved(1, 1)).score == 0

    @pytest.mark.parametrize(("share", "flips"), [(0.4, 0), (0.6, 1)])
    def test_a_part_of_the_way_is_an_effect_and_flips_what_it_takes_over_the_middle(self, share, flips):
        found = parts(moved(share, 0))
        assert found.effect == pytest.approx(share)
        assert found.flips == flips

    def test_moving_the_wrong_way_is_no_effect_and_too_far_counts_as_all(self):
        assert parts(moved(-0.5, 0)).effect == 0
        assert parts(moved(1.5, 0)).effect == 1

    def test_moving_the_other_property_either_way_is_no_isolation(self):
        assert parts(moved(1, 0.25)).isolation == pytest.approx(0.75)
        assert parts(moved(1, -0.25)).isolation == pytest.approx(0.75)

    def test_what_words_alone_move_is_taken_from_selectivity(self):
        control = BEFORE + torch.tensor([[1.0, 0.0]]) * torch.tensor([1.0, -1.0] * 4)[:, None]
        assert parts(moved(1, 0), control).selectivity == pytest.approx(0.75)

    def test_only_prompts_that_the_model_has_right_on_both_sides_can_flip(self):
        before = BEFORE.clone()
        before[0, 0] = 0.5  # wrong: its value is the first
        after = before + (before[SOURCES] - before) * torch.tensor([1.0, 0.0])
        assert parts_of(before, after, before, SOURCES, 0).flips == 1
        nothing_right = -BEFORE
        assert parts_of(nothing_right, nothing_right, nothing_right, SOURCES, 0).flips == 0

    def test_the_score_is_the_harmonic_mean(self):
        assert Parts(0.5, 1, 1, 1).score == pytest.approx(4 / 5)
        assert math.isclose(GOOD.score, 4 / (3 / 0.9 + 1 / 0.8))


def test_log_odds_sum_over_the_other_property():
    scores = torch.log(torch.tensor([[[1.0, 2.0], [3.0, 4.0]]]))
    assert log_odds(scores, 0)[0].exp().tolist() == pytest.approx([7 / 3, 6 / 4])
    assert log_odds(scores, 1)[0].exp().tolist() == pytest.approx([6 / 4, 7 / 3])


class TestDirections:
    def test_neither_sign_nor_length_nor_order_nor_repetition_matters(self):
        columns = torch.randn(6, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        projections = [
            orthonormal(one) @ orthonormal(one).T
            for one in (columns, -columns, columns[:, [1, 0]] * 1e-9, torch.cat([columns, columns], 1))
        ]
        for other in projections[1:]:
            torch.testing.assert_close(other, projections[0], atol=1e-6, rtol=0)

    def test_zeros_span_nothing(self):
        assert orthonormal(torch.zeros(6, 3)).shape == (6, 0)

    def test_in_a_model_signs_score_equal_nothing_moves_nothing_and_everything_moves_both(self):
        exchanges = Exchanges(tiny_circuit.model(), PROMPTS, -1, [3])
        spot = Spot(3, "resid_post", tiny_circuit.LENGTH - 1)
        columns = torch.randn(32, 4, generator=torch.Generator().manual_seed(0))
        assert measured_parts(exchanges, 0, spot, columns) == measured_parts(exchanges, 0, spot, -columns)
        assert measured_parts(exchanges, 0, spot, torch.zeros(32, 4)) == Parts(0, 0, 1, 1)
        # at the last place everything is what the source says
        everything = measured_parts(exchanges, 0, spot, None)
        assert everything.isolation == pytest.approx(0, abs=1e-4)
        assert everything.score == pytest.approx(0, abs=1e-3)
        assert everything == measured_parts(exchanges, 0, spot, torch.eye(32)) or everything.score < 1e-3


class TestWorth:
    def test_a_subspace_is_worth_its_share_of_the_best_one(self):
        score = score_claim(GOOD, GOOD.score * 1.25, null=False)
        assert score.skill == pytest.approx(0.8)
        assert tuple(score.metrics) == REAL_SUBSPACE_METRICS
        assert score.metrics["overclaim"] == 0
        assert score_claim(GOOD, GOOD.score / 2, null=False).skill == 1

    def test_finding_nothing_is_right_where_nothing_is_and_costs_where_something_is(self):
        assert score_nothing_found(0.1, null=True).skill == 1
        missed = score_nothing_found(0.8, null=False)
        assert (missed.skill, missed.flags) == (-0.5, ("missed",))

    def test_a_claim_where_nothing_is_counts_only_if_the_prompts_bear_it_out(self):
        weak = score_claim(Parts(0.1, 0.1, 0.9, 0.9), 0.1, null=True)
        assert (weak.skill, weak.flags, weak.metrics["overclaim"]) == (-1, ("overclaim",), 1)
        strong = score_claim(GOOD, 0.1, null=True)
        assert GOOD.score > FOUND_BAR
        assert (strong.skill, strong.flags, strong.metrics["overclaim"]) == (1, ("null_refuted",), 0)
