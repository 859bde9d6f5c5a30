"""Along an edge, and nowhere else, a reader reads what the writer puts out on the source."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from scribe_suite.planting.circuits.interchange import Pairs, draw_pairs
from scribe_suite.planting.circuits.patchable import Patch, PatchableTransformer
from scribe_suite.planting.circuits.wiring.edges import LOGITS, Edge, edges_between, edges_to_logits
from scribe_suite.planting.circuits.wiring.paths import PathPatched, all_others
from scribe_suite.planting.hooked import build_model
from tests.planting.circuits.wiring.wired import PROGRAM, network, shape

PAIRS = draw_pairs(PROGRAM, 12, torch.Generator().manual_seed(1))


@pytest.fixture(scope="module")
def whole() -> PatchableTransformer:
    torch.manual_seed(0)
    random = PatchableTransformer(shape(), seed=3)
    with torch.no_grad():
        for parameter in random.parameters():
            parameter.mul_(1.5)
    return random


def test_all_edges_of_a_node_together_are_the_node(whole):
    paths = PathPatched(whole, PAIRS)
    leaving = [edge for edge in edges_between(whole.shape.nodes) if edge.writer == "a1.h0"]
    patched = paths.logits([*leaving, Edge("a1.h0", LOGITS)])
    with torch.no_grad():
        values = whole(PAIRS.source)[1]
        mask = whole.shape.mask(["a1.h0"]).expand(len(PAIRS.base), -1, -1)
        wanted = whole(PAIRS.base, Patch(mask, values))[0][:, -1]
    assert torch.allclose(patched, wanted, atol=1e-4)
    assert not torch.allclose(patched, paths.logits([]), atol=1e-3)


def test_all_edges_at_once_give_the_source(whole):
    paths = PathPatched(whole, PAIRS)
    every = [*edges_between(whole.shape.nodes), *edges_to_logits(whole.shape.nodes)]
    with torch.no_grad():
        there = whole(PAIRS.source)[0][:, -1]
        here = whole(PAIRS.base)[0][:, -1]
    assert torch.allclose(paths.logits(every), there, atol=1e-3)
    assert torch.allclose(paths.logits([]), here, atol=1e-4)
    assert torch.equal(paths.clean, here.argmax(-1))


@pytest.mark.parametrize("edge", [Edge("a0.h1", "a2.h0", "q"), Edge("embed", "a1.h1", "k"), Edge("m0", "m2")])
def test_an_edge_is_what_transformer_lens_says(whole, edge):
    model = build_model(whole.to_weights())
    caches = [model.run_with_cache(tokens)[1] for tokens in (PAIRS.source, PAIRS.base)]

    def written(cache):
        if edge.writer == "embed":
            return cache["hook_embed"]
        if edge.writer[0] == "m":
            return cache[f"blocks.{edge.writer[1]}.hook_mlp_out"]
        layer, head = int(edge.writer[1]), int(edge.writer[-1])
        return cache[f"blocks.{layer}.attn.hook_z"][:, :, head] @ model.blocks[layer].attn.W_O[head]

    difference = written(caches[0]) - written(caches[1])
    layer = int(edge.reader[1])

    def put(value, hook):
        if edge.role == "in":
            return value + difference @ model.blocks[layer].mlp.W_in
        head = int(edge.reader[-1])
        weights = getattr(model.blocks[layer].attn, f"W_{edge.role.upper()}")[head]
        value[:, :, head] += difference @ weights
        return value

    name = f"blocks.{layer}.mlp.hook_pre" if edge.role == "in" else f"blocks.{layer}.attn.hook_{edge.role}"
    with torch.no_grad():
        wanted = model.run_with_hooks(PAIRS.base, fwd_hooks=[(name, put)])[:, -1]
    assert torch.allclose(PathPatched(whole, PAIRS).logits([edge]), wanted, atol=1e-4)


def test_edges_outside_of_a_key_are_all_the_others(whole):
    key = [Edge("m0", "m2")]
    others = all_others(whole, key)
    assert len(others) == len(edges_between(whole.shape.nodes)) + len(whole.shape.nodes) + 1 - 1
    assert key[0] not in others


def test_an_effect_is_a_share_of_labels():
    paths = PathPatched(network(), Pairs(PAIRS.base, PAIRS.base))
    assert paths.effect([Edge("embed", "m0")]) == 0.0


def test_layer_norm_is_refused():
    normalised = PatchableTransformer(dataclasses.replace(shape(), normalization="LN"))
    with pytest.raises(ValueError, match="without LayerNorm"):
        PathPatched(normalised, PAIRS)
