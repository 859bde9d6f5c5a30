"""Nodes that are moved to other layers compute the same, and still read everything."""

from __future__ import annotations

import pytest
import torch

from scribe_suite.planting.circuits.assembly import place_of
from scribe_suite.planting.circuits.interchange import draw_pairs
from scribe_suite.planting.circuits.patchable import PatchableTransformer
from scribe_suite.planting.circuits.wiring.assembly import among_listeners
from scribe_suite.planting.circuits.wiring.edges import EMBED, LOGITS, Edge, edges_between, wiring_of
from scribe_suite.planting.circuits.wiring.moving import WiredNetwork, moved
from scribe_suite.planting.circuits.wiring.paths import PathPatched, all_others
from scribe_suite.planting.hooked import ModelWeights
from tests.planting.circuits.wiring.wired import PROGRAM, RECIPE, WHERE, nodes, shape

#: Nodes of `WHERE` elsewhere: v2 comes after v3 would have come, and heads have other numbers.
THERE = {"v0": ("m1",), "v1": ("a3.h1",), "v2": ("a4.h0",), "v3": ("a5.h1",), "out": ("m5",)}
KEY = {*wiring_of(PROGRAM, THERE), Edge("m5", LOGITS)}


def before(crosstalk: float = 0.0) -> ModelWeights:
    generator = torch.Generator().manual_seed(0)
    prompts = PROGRAM.sample(32, generator)
    return among_listeners(nodes(), WHERE, shape(6), crosstalk, prompts, generator).to_weights()


def after(weights: ModelWeights, seed: int = 1) -> ModelWeights:
    return moved(WiredNetwork(weights, PROGRAM, WHERE, RECIPE), THERE, torch.Generator().manual_seed(seed))


@torch.no_grad()
def logits(weights: ModelWeights) -> torch.Tensor:
    tokens = PROGRAM.sample(20, torch.Generator().manual_seed(2))
    return PatchableTransformer.from_weights(weights)(tokens)[0][:, -1]


def test_without_crosstalk_the_logits_are_the_same():
    weights = before()
    assert torch.allclose(logits(after(weights)), logits(weights), atol=1e-3)
    assert logits(weights).std() > 1e-2


def test_with_crosstalk_they_are_nearly_the_same():
    weights = before(0.005)
    gap = (logits(after(weights)) - logits(weights)).abs().max()
    assert 0 < gap < 0.2 * logits(weights).std()


def test_edges_go_with_the_nodes_and_no_other_edge_matters():
    weights = after(before())
    paths = PathPatched(
        PatchableTransformer.from_weights(weights), draw_pairs(PROGRAM, 30, torch.Generator().manual_seed(3))
    )
    clean = paths.logits([])
    assert torch.allclose(paths.logits(all_others(PatchableTransformer.from_weights(weights), KEY)), clean, atol=1e-3)
    assert not torch.allclose(paths.logits([Edge(EMBED, "m1")]), clean, atol=1e-2)


def test_every_input_reads_every_node_that_is_now_earlier():
    network, stream = PatchableTransformer.from_weights(after(before())), nodes().stream
    variable = {node: name for name, (node,) in THERE.items()}
    for edge in edges_between(list(variable)):
        weights = getattr(network, "W_in" if edge.role == "in" else f"W_{edge.role.upper()}")[place_of(edge.reader)]
        own = stream.dimensions[variable.get(edge.writer, edge.writer)]
        assert weights[list(own)].norm() / weights.norm() > 0.02, str(edge)


def test_nothing_is_lost_and_the_places_of_other_nodes_are_drawn():
    weights = before()
    first, again, other = after(weights), after(weights), after(weights, seed=5)
    assert all(torch.equal(first.state[name], again.state[name]) for name in weights.state)
    assert any(not torch.equal(first.state[name], other.state[name]) for name in weights.state)
    for kind, axis in (("attn.W_V", 1), ("mlp.W_out", 0)):

        def sizes(of: ModelWeights, kind: str = kind, axis: int = axis) -> list[float]:
            rows = torch.stack([of.state[f"blocks.{layer}.{kind}"] for layer in range(6)])
            return sorted(rows.flatten(0, axis).flatten(1).norm(dim=1).tolist())

        assert sizes(first) == pytest.approx(sizes(weights))
    assert torch.equal(weights.state["unembed.W_U"], first.state["unembed.W_U"])
