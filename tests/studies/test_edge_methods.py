"""Known methods rank edges; answers without an experiment are what they say."""

from __future__ import annotations

import random

import pytest
import torch

from ground_truth.circuits.wirings.blind import Wired
from scribe_suite.planting.circuits.interchange import draw_pairs
from scribe_suite.planting.circuits.wiring.edges import Edge, edges_between
from scribe_suite.planting.circuits.wiring.paths import PathPatched
from studies.edge_answers import blind_edges, ranked_edges
from studies.edge_black_box import MemoryList, guessed_wiring, placements
from studies.edge_methods import COLUMNS, METHODS, attributed, mean_of, row, table
from tests.planting.circuits.wiring.wired import PROGRAM, WHERE, WIRING, network

NODES = [node for (node,) in WHERE.values()]
EDGES = edges_between(NODES)
PAIRS = draw_pairs(PROGRAM, 16, torch.Generator().manual_seed(0))


def test_attribution_tells_an_edge_from_one_that_is_read_to_no_effect():
    whole = network().requires_grad_(requires_grad=False)
    read = whole.W_U.any(1)  # what the last variable writes; untrained, it needs another reader to vary labels
    whole.W_U[read] = torch.randn(int(read.sum()), whole.W_U.shape[1], generator=torch.Generator().manual_seed(2))
    whole.b_U.copy_(-PathPatched(whole, PAIRS).logits([]).mean(0))
    assert len(set(PathPatched(whole, PAIRS).clean.tolist())) > 1
    for steps in (1, 4):
        found = attributed(whole, PAIRS, [Edge("embed", "m0"), Edge("embed", "a3.h0", "v")], steps)
        assert found["embed->m0"] > 1e-4
        assert found["embed->m0"] > 20 * found["embed->a3.h0.v"]


@pytest.mark.parametrize("method", METHODS)
def test_every_method_scores_every_edge(method):
    whole = network().requires_grad_(requires_grad=False)
    found = METHODS[method](whole, PAIRS, EDGES)
    assert set(found) == set(map(str, EDGES))
    others = [found[str(edge)] for edge in EDGES if str(edge) not in WIRING]
    assert max(others) <= 0.02


def test_path_patching_is_the_effect_of_the_certificate():
    whole = network()
    found = METHODS["exact path patching"](whole, PAIRS, EDGES)
    assert found["embed->m0"] == PathPatched(whole, PAIRS).effect([Edge("embed", "m0")])


def test_rows_are_made_from_rankings():
    score = {"a": 3.0, "b": 2.0, "c": 1.0, "d": 0.0}
    found = row(score, frozenset({"a", "c"}), chance=0.5)
    assert found == pytest.approx(dict(zip(COLUMNS, (0.75, 0.5, 0.8, 0.6), strict=True)))
    shown = table({"circuits/edges": mean_of([{"EAP": found}, {"EAP": found}])})
    assert shown.splitlines()[-1] == "| `edges` | EAP | 0.75 | 0.50 | 0.80 | 0.60 |"


def test_placements_keep_the_order_of_computation():
    rng = random.Random(0)
    for place in placements(PROGRAM, NODES, 5, rng):
        assert set(place.values()) == set(NODES)
        assert place["v0"] == "m0"
    assert set(guessed_wiring([PROGRAM], NODES, rng)) == set(WIRING)  # here the order leaves one placement


def test_answers_without_an_experiment_are_edges_that_there_can_be():
    from ground_truth.circuits.edges import Edges

    instance = Edges().instance(0)
    every, count = set(instance.public.facts["edges"]), len(instance.hidden.key)
    assert all(set(edges) <= every for edges in blind_edges(instance).values())
    assert {len(set(edges)) for edges in ranked_edges(instance).values()} == {count}
    assert set(blind_edges(instance)["the opposite"]) == every - instance.hidden.key


def test_a_list_leaves_out_what_the_nodes_do_not_allow():
    first = Wired(frozenset({"m0", "m1"}), frozenset({Edge("embed", "m0"), Edge("m0", "m1")}))
    second = Wired(frozenset({"m0", "m2"}), frozenset({Edge("embed", "m0"), Edge("embed", "m2")}))
    found = MemoryList.over([first, second])
    assert found.listed == {"embed->m0", "m0->m1", "embed->m2"}
    assert found.score == 1.0
