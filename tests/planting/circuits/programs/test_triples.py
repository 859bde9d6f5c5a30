"""Hidden triples are what they say: so many nodes, with or without others, from independent prompts."""

from __future__ import annotations

import pytest
import torch

from scribe_suite.planting.circuits.causal import circuit_of
from scribe_suite.planting.circuits.interchange import Pairs
from scribe_suite.planting.circuits.patchable import PatchableTransformer
from scribe_suite.planting.circuits.programs.triples import STRATA, draw_triples, network_labels, program_labels
from tests.planting.circuits.programs.toy import WHERE, toy_program, toy_shape

NODES = toy_shape().nodes


@pytest.fixture(scope="module")
def triples():
    return draw_triples(toy_program(), WHERE, NODES, 60, seed=3)


def test_every_stratum_has_as_many(triples):
    assert [triples.strata.count(stratum) for stratum in STRATA] == [60] * len(STRATA)
    assert len(triples.patched) == len(triples.pairs.base) == len(triples.chosen) == 60 * len(STRATA)


def test_the_nodes_are_those_of_the_chosen_variables_and_others_where_it_is_said(triples):
    circuit, names = circuit_of(WHERE), toy_program().variables
    sizes = {"one": {1}, "two": {2}, "several": {3}}
    for chosen, patched, stratum in zip(triples.chosen, triples.patched, triples.strata, strict=True):
        wanted = {WHERE[name][0] for name, picked in zip(names, chosen.tolist(), strict=True) if picked}
        assert wanted == circuit & set(patched)
        assert len(wanted) in sizes[stratum.split(",")[0]]
        assert (set(patched) > wanted) == stratum.endswith("among others")
        assert len(set(patched)) == len(patched)


def test_the_output_node_is_seldom_there_beside_others(triples):
    several = [row for row, stratum in zip(triples.patched, triples.strata, strict=True) if "one" not in stratum]
    assert sum("m2" in row for row in several) < 0.2 * len(several)


def test_the_same_seed_draws_the_same_triples(triples):
    again, other = (draw_triples(toy_program(), WHERE, NODES, 60, seed=seed) for seed in (3, 4))
    assert again.patched == triples.patched != other.patched
    assert torch.equal(again.pairs.base, triples.pairs.base)


def test_a_network_is_patched_triple_by_triple(triples):
    network = PatchableTransformer(toy_shape(), 5)
    none: list[list[str]] = [[] for _ in triples.patched]
    with torch.no_grad():
        clean = network(triples.pairs.base)[0][:, -1].argmax(-1)
    assert torch.equal(network_labels(network, triples.pairs, none, -1), clean)
    together = network_labels(network, triples.pairs, triples.patched, -1)
    assert (together != clean).any()
    for row in range(12):
        alone = Pairs(triples.pairs.base[[row]], triples.pairs.source[[row]])
        assert network_labels(network, alone, [triples.patched[row]], -1) == together[row]


def test_the_program_says_what_interchanges_do(triples):
    labels = program_labels(toy_program(), triples)
    out = triples.chosen[:, -1]
    assert out.any()
    assert torch.equal(labels[out], toy_program().run(triples.pairs.source).labels[out, 0])
