"""Edges are named, listed and read off a program."""

from __future__ import annotations

from scribe_suite.planting.circuits.wiring.edges import (
    EMBED,
    LOGITS,
    Edge,
    edges_between,
    edges_to_logits,
    inputs_of,
    wiring_of,
)
from tests.planting.circuits.wiring.wired import PROGRAM, WHERE, WIRING


def test_an_edge_names_the_input_of_a_head_only():
    assert str(Edge("a0.h1", "m2")) == "a0.h1->m2"
    assert str(Edge("a1.h0", "a3.h2", "q")) == "a1.h0->a3.h2.q"
    assert Edge("m0", "a1.h0", "k").receiver == "a1.h0.k"


def test_edges_follow_the_order_of_computation():
    found = list(map(str, edges_between({"m0", "a0.h1", "a1.h0"})))
    heads = [f"{writer}->a1.h0.{role}" for role in "qkv" for writer in ("embed", "a0.h1", "m0")]
    assert found == [*(f"embed->a0.h1.{role}" for role in "qkv"), "embed->m0", "a0.h1->m0", *heads]
    assert list(map(str, edges_to_logits({"m0", "a0.h1"}))) == ["embed->logits", "a0.h1->logits", "m0->logits"]
    assert Edge(EMBED, LOGITS) in edges_to_logits([])


def test_heads_of_a_layer_do_not_read_each_other():
    assert not [edge for edge in edges_between({"a1.h0", "a1.h1"}) if edge.writer != EMBED]


def test_a_program_says_who_reads_whom_with_which_input():
    assert inputs_of(PROGRAM, "v2") == [("v1", "k"), ("v0", "v")]
    assert inputs_of(PROGRAM, "v0") == [(EMBED, "in")]
    assert sorted(map(str, wiring_of(PROGRAM, WHERE))) == sorted(WIRING)
