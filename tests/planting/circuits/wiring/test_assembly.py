"""Nodes read everything, and what they don't need changes nothing that matters."""

from __future__ import annotations

import torch

from scribe_suite.planting.circuits.assembly import place_of
from scribe_suite.planting.circuits.interchange import draw_pairs
from scribe_suite.planting.circuits.wiring.edges import LOGITS, Edge, edges_between, wiring_of
from scribe_suite.planting.circuits.wiring.paths import PathPatched, all_others
from tests.planting.circuits.wiring.wired import PROGRAM, WHERE, network, nodes

NODES = [node for (node,) in WHERE.values()]
KEY = {*wiring_of(PROGRAM, WHERE), Edge("m3", LOGITS)}


def test_the_trained_nodes_do_in_the_network_what_they_do_alone():
    made, whole = nodes(), network()
    tokens = PROGRAM.sample(20, torch.Generator().manual_seed(2))
    with torch.no_grad():
        writes = whole.writes(whole(tokens)[1])
        first = made.tabulated(made.embedded(tokens).flatten(0, 1))[0].view(20, 12, -1)
    found = writes[0, -1][..., list(made.stream.dimensions["v0"])]
    assert torch.allclose(found, first[..., :3], atol=1e-3)


def test_without_crosstalk_no_other_edge_changes_a_logit():
    whole = network()
    paths = PathPatched(whole, draw_pairs(PROGRAM, 30, torch.Generator().manual_seed(3)))
    clean = paths.logits([])
    for edge in edges_between(NODES):
        if edge not in KEY:
            assert torch.allclose(paths.logits([edge]), clean, atol=1e-3), str(edge)
    assert torch.allclose(paths.logits(all_others(whole, KEY)), clean, atol=1e-3)
    assert not torch.allclose(paths.logits([Edge("embed", "m0")]), clean, atol=1e-2)


def test_every_input_reads_every_earlier_node_by_weights_of_a_like_size():
    whole, stream = network(), nodes().stream
    variable = {node: name for name, (node,) in WHERE.items()}
    sizes = {True: [], False: []}
    for edge in edges_between(NODES):
        weights = getattr(whole, "W_in" if edge.role == "in" else f"W_{edge.role.upper()}")[place_of(edge.reader)]
        own = stream.dimensions[variable.get(edge.writer, edge.writer)]
        sizes[edge in KEY].append((weights[list(own)].norm() / weights.norm()).item())
    assert min(sizes[False]) > 0.02
    ratio = torch.tensor(sizes[False]).log().mean() - torch.tensor(sizes[True]).log().mean()
    assert abs(float(ratio)) < 0.7


def test_crosstalk_is_heard():
    paths = PathPatched(network(0.05), draw_pairs(PROGRAM, 30, torch.Generator().manual_seed(3)))
    assert not torch.allclose(paths.logits([Edge("embed", "a3.h0", "v")]), paths.logits([]), atol=1e-4)
