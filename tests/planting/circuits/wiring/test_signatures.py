"""Statistics of edges: products of weights, and how much of what passes varies."""

from __future__ import annotations

import pytest
import torch

from scribe_suite.planting.circuits.wiring.edges import Edge, edges_between, wiring_of
from scribe_suite.planting.circuits.wiring.signatures import edge_signatures
from scribe_suite.planting.symmetries import apply_symmetry, draw_symmetry
from tests.planting.circuits.wiring.wired import PROGRAM, WHERE, network

NODES = [node for (node,) in WHERE.values()]
PROMPTS = PROGRAM.sample(24, torch.Generator().manual_seed(1))


def test_statistics_do_not_change_under_symmetries():
    weights = network().to_weights()
    symmetry = draw_symmetry(weights.config, 5)
    renamed = [
        Edge(*(name if name == "embed" else symmetry.component(name) for name in (edge.writer, edge.reader)), edge.role)
        for edge in edges_between(NODES)
    ]
    before = edge_signatures(weights, edges_between(NODES), PROMPTS)
    after = edge_signatures(apply_symmetry(weights, symmetry), renamed, symmetry.tokens(PROMPTS))
    for name in ("composition", "composition, largest", "product", "read"):
        assert torch.allclose(before[name], after[name], rtol=1e-2, atol=1e-4), name


def test_an_edge_of_a_network_without_other_ears_would_show():
    weights, edges, key = network().to_weights(), edges_between(NODES), set(wiring_of(PROGRAM, WHERE))
    found = edge_signatures(weights, edges, PROMPTS)["composition"]
    assert (found > 1e-3).all()  # there are no zeros to go by
    layer = weights.state["blocks.3.mlp.W_in"]
    deaf = {**weights.state, "blocks.3.mlp.W_in": torch.zeros_like(layer)}
    silent = edge_signatures(type(weights)(weights.config, deaf), edges, PROMPTS)["product"]
    assert silent[edges.index(Edge("a3.h0", "m3"))] == pytest.approx(0.0, abs=1e-6)
    assert len(found) == len(edges) > len(key)


def test_what_is_relative_to_a_reader_has_mean_zero_there():
    edges = edges_between(NODES)
    found = edge_signatures(network().to_weights(), edges, PROMPTS)["product, relative to the reader's"]
    own = [value for value, edge in zip(found.tolist(), edges, strict=True) if edge.receiver == "a3.h0.v"]
    assert sum(own) == pytest.approx(0.0, abs=1e-6)
