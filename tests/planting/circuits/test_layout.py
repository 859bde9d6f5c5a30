"""Every node of a kind that the circuit has becomes a copy, and reads copies that are computed before it."""

from __future__ import annotations

from collections import Counter

import pytest
import torch

from scribe_suite.planting.circuits.layout import computed_before, layout
from tests.planting.circuits.small_circuit import small_shape

SHAPE = small_shape(n_layers=5, n_heads=4)
CIRCUITS = {
    "two MLPs": {"m1": [], "m3": ["m1"]},
    "three heads": {"a0.h0": [], "a2.h1": ["a0.h0"], "a4.h0": ["a2.h1"]},
    "an MLP and a head": {"m1": [], "a3.h0": ["m1"]},
    "heads and MLPs": {"a0.h0": [], "m0": ["a0.h0"], "a2.h0": ["m0"], "m4": ["a2.h0"]},
    "parallel": {"a1.h0": [], "a1.h1": [], "m2": ["a1.h0", "a1.h1"]},
}
every_circuit = pytest.mark.parametrize("read", CIRCUITS.values(), ids=CIRCUITS)


def drawn(read, seed=0):
    return layout(SHAPE, read, torch.Generator().manual_seed(seed))


@every_circuit
@pytest.mark.parametrize("seed", range(3))
def test_every_node_of_the_circuits_kinds_is_a_copy_once(read, seed):
    kinds = {node[0] for node in read}
    assert sorted(copy.node for copy in drawn(read, seed)) == sorted(n for n in SHAPE.nodes if n[0] in kinds)


@every_circuit
@pytest.mark.parametrize("seed", range(3))
def test_copies_are_of_their_kind_and_read_copies_of_what_their_original_reads(read, seed):
    copies = {copy.node: copy for copy in drawn(read, seed)}
    for copy in copies.values():
        assert copy.node[0] == copy.original[0]
        assert set(copy.reads) <= set(read[copy.original])
        for original, supplier in copy.reads.items():
            assert copies[supplier].original == original
            assert computed_before(supplier, copy.node)


@every_circuit
def test_the_circuit_stays_where_it_is(read):
    copies = {copy.node: copy for copy in drawn(read)}
    for node, parents in read.items():
        assert copies[node].original == node
        assert copies[node].reads == {parent: parent for parent in parents}


def test_the_circuit_has_twins_as_many_as_there_is_room_for():
    whole = Counter(copy.original for copy in drawn(CIRCUITS["three heads"]) if len(copy.reads) == 1)
    assert whole["a4.h0"] >= 5
    assert Counter(copy.original for copy in drawn(CIRCUITS["two MLPs"])) == {"m1": 3, "m3": 2}


@every_circuit
def test_readers_are_spread_over_what_they_could_read(read):
    copies = drawn(read)
    readers = Counter(supplier for copy in copies for supplier in copy.reads.values())
    for original in read:
        early = [c.node for c in copies if c.original == original and int(c.node[1]) < 2]
        counts = [readers[node] for node in early]
        if original in {parent for parents in read.values() for parent in parents}:
            assert max(counts) - min(counts) <= 8, original


def test_the_same_generator_gives_the_same_layout():
    read = CIRCUITS["heads and MLPs"]
    assert drawn(read) == drawn(read)
    assert drawn(read) != drawn(read, seed=1)


@pytest.mark.parametrize(
    ("node", "other", "before"),
    [("a0.h0", "m0", True), ("m0", "a0.h0", False), ("a0.h0", "a0.h1", False), ("m0", "a1.h0", True)],
)
def test_heads_of_a_layer_come_before_its_mlp(node, other, before):
    assert computed_before(node, other) is before
