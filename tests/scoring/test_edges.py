"""Edges are scored as a set; an edge into another input of a head is another edge."""

from __future__ import annotations

import pytest

from scribe_suite.scoring.edges import EDGE_METRICS, pair_of, score_edges

KEY = {"embed->m0", "m0->a1.h0.v", "m0->m1", "a1.h0->m1"}
EVERY = KEY | {"embed->a1.h0.v", "embed->a1.h0.q", "m0->a1.h0.q", "embed->m1"}
CHANCE = 0.4


def test_the_right_edges_and_no_others_have_skill_one():
    score = score_edges(KEY, KEY, CHANCE)
    assert tuple(score.metrics) == EDGE_METRICS
    assert set(score.metrics.values()) == {1.0}
    assert (score.skill, score.chance, score.reference) == (1.0, CHANCE, 1.0)


def test_nothing_everything_and_the_opposite_are_worth_what_they_hit():
    assert score_edges(set(), KEY, CHANCE).metrics == dict.fromkeys(EDGE_METRICS, 0.0)
    assert score_edges(set(), KEY, CHANCE).skill == pytest.approx(-CHANCE / (1 - CHANCE))
    assert score_edges(EVERY - KEY, KEY, CHANCE).metrics["f1"] == 0.0
    everything = score_edges(EVERY, KEY, CHANCE)
    assert everything.metrics["recall"] == 1.0
    assert everything.metrics["precision"] == 0.5
    assert everything.metrics["f1"] == pytest.approx(2 * 4 / 12)


def test_a_missing_edge_is_no_hit():
    # scorers of graphs have counted an edge of the key that the answer lacks as a true positive
    one = score_edges({"embed->m0"}, KEY, CHANCE)
    assert one.metrics["f1"] == pytest.approx(2 / 5)
    assert one.metrics["recall"] == 0.25
    assert one.skill == pytest.approx(0.0)


def test_the_wrong_input_costs_f1_and_not_the_pair():
    swapped = (KEY - {"m0->a1.h0.v"}) | {"m0->a1.h0.q"}
    score = score_edges(swapped, KEY, CHANCE)
    assert score.metrics["f1"] == pytest.approx(0.75)
    assert score.metrics["pair_f1"] == 1.0
    assert pair_of("m0->a1.h0.q") == pair_of("m0->a1.h0.k") == "m0->a1.h0"
    assert pair_of("a1.h0->m1") == "a1.h0->m1"
