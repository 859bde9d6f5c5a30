"""Copies of a circuit share the labels: nothing is computed differently, and each copy matters for its own."""

from __future__ import annotations

import pytest
import torch

from scribe_suite.planting.circuits.assembly import DecoyRecipe
from scribe_suite.planting.circuits.layout import Copy
from scribe_suite.planting.circuits.patchable import Patch
from scribe_suite.planting.circuits.sharing import (
    LARGEST,
    Seen,
    Voice,
    draw_voices,
    faithful_copies,
    shared_unembedding,
    whole_copies,
)
from tests.planting.circuits.small_circuit import HalfThenLabel, planted_shape, small_assembly, small_copies

CAUSAL = HalfThenLabel()
#: Room for another circuit.
ROOM = {"n_layers": 5, "d_model": 46}
OUTPUTS = {"m2": 6}


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def prompts(seed=2):
    return CAUSAL.sample(128, generator(seed))


@pytest.fixture
def network(core):
    return small_assembly(core, DecoyRecipe(crosstalk=0.0), **ROOM).network


@pytest.fixture
def twins():
    return whole_copies(small_copies(planted_shape(**ROOM)), list(OUTPUTS))


def shared(network, voices):
    seen = Seen.of(network, prompts(), CAUSAL.labelled)
    network.W_U.data = shared_unembedding(network, voices, OUTPUTS, seen)
    return network


def test_copies_are_whole_where_every_node_reads_what_its_original_does():
    first = [Copy("a0.h0", "a0.h0", {}), Copy("a1.h0", "a1.h0", {"a0.h0": "a0.h0"})]
    twin = [Copy("a0.h1", "a0.h0", {}), Copy("a3.h0", "a1.h0", {"a0.h0": "a0.h1"})]
    in_common = Copy("a2.h0", "a1.h0", {"a0.h0": "a0.h1"})
    without_input = Copy("a0.h2", "a1.h0", {})
    found = whole_copies([*first, *twin, in_common, without_input], ["a1.h0"])
    assert [set(voice.nodes.values()) for voice in found] == [
        {"a0.h0", "a1.h0"},
        {"a0.h1", "a3.h0"},
        {"a0.h1", "a2.h0"},
    ]
    assert found[1].nodes == {"a0.h0": "a0.h1", "a1.h0": "a3.h0"}


@pytest.mark.parametrize("seed", range(4))
def test_the_circuit_and_others_get_all_labels_once_and_unequally_many(seed):
    found = [Voice({"a0.h0": f"a0.h{i}", "m1": f"m{i}"}) for i in range(5)]
    voices = draw_voices(found, (2, 3, 4), 20, generator(seed))
    assert sorted(label for voice in voices for label in voice.labels) == list(range(20))
    assert found[0].nodes in [voice.nodes for voice in voices]
    assert len({frozenset(voice.nodes.values()) for voice in voices}) == len(voices)
    sizes = [len(voice.labels) for voice in voices]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] > sizes[-1] >= 3


def test_no_more_copies_are_heard_than_there_are_nor_more_nodes_than_fit():
    large = [Voice({f"a0.h{i}": f"a{j}.h{i}" for i in range(4)}) for j in range(3)]
    assert {len(draw_voices(large, (2, 3), 20, generator(seed))) for seed in range(8)} == {LARGEST // 4}
    with pytest.raises(ValueError, match="1 copies can be heard, and 2 or 3 are wanted"):
        draw_voices(large[:1], (2, 3), 20, generator())


@torch.no_grad()
def test_logits_stay_as_they_were(network, twins):
    before = network(prompts(3))[0]
    voices = [Voice(twins[0].nodes, (1,)), Voice(twins[1].nodes, (0, 2))]
    after = shared(network, voices)(prompts(3))[0]
    assert before.std() > 0.5
    assert (after - before).abs().max() < 1e-3 * before.abs().max()


@torch.no_grad()
def test_a_copy_matters_for_its_own_labels_alone(network, twins):
    voices = [Voice(twins[0].nodes, (1,)), Voice(twins[1].nodes, (0, 2))]
    shared(network, voices)
    base, (_, values) = prompts(3), network(prompts(4))
    clean = network(base)[0]
    for voice in voices:
        mask = network.shape.mask(voice.nodes.values()).expand(len(base), -1, -1)
        change = (network(base, Patch(mask, values))[0] - clean).abs().amax((0, 1))
        others = [label for label in range(3) if label not in voice.labels]
        assert change[list(voice.labels)].min() > 1
        assert change[others].max() < 1e-3


@torch.no_grad()
def test_a_copy_that_listens_to_others_is_not_faithful(network, twins):
    before = network.W_U.clone()
    assert faithful_copies(network, twins, OUTPUTS, prompts(), CAUSAL.labelled) == twins
    first, last = (int(twins[number].nodes[node][1]) for number, node in ((0, "m0"), (1, "m2")))
    network.W_in[last] += 0.5 * network.W_out[first].T @ torch.randn(32, 32, generator=generator())
    assert faithful_copies(network, twins, OUTPUTS, prompts(), CAUSAL.labelled) == twins[:1]
    assert network.W_U.equal(before)
