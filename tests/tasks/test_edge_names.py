"""A name that is no edge is refused with what to change."""

from __future__ import annotations

import pytest

from scribe_suite.tasks.edge_names import edge_fault

NODES = ["a0.h1", "m0", "a1.h0"]
EDGES = ["embed->m0", "a0.h1->m0", "m0->a1.h0.q", "m0->a1.h0.v"]


@pytest.mark.parametrize("name", EDGES)
def test_an_edge_has_no_fault(name):
    assert edge_fault(name, NODES, EDGES) == ""


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("a0.h1", "edges are written like 'a0.h1->m2' or 'a1.h0->a3.h2.q'"),
        ("a0.h1 -> m0", "edges are written like"),
        ("m0->a1.h0", "say with which input the head reads: a1.h0.q, .k or .v"),
        ("a0.h1->m0.in", "an MLP has one input, so write m0"),
        ("m0->logits", "edges end at heads and MLPs, not at logits"),
        ("m0->embed", "not at embed"),
        ("a0.h1.q->m0", "the input stands with the reader, behind the arrow"),
        ("m7->a1.h0.q", "m7 is not among the nodes that edges are asked for"),
        ("m0->a1.h3.q", "a1.h3 is not among the nodes"),
        ("a1.h0->m0", "m0 does not read a1.h0, which is computed later or at the same time"),
        ("x" * 200, "edges are written like"),
    ],
)
def test_a_fault_says_what_to_change_in_one_short_line(name, said):
    fault = edge_fault(name, NODES, EDGES)
    assert said in fault
    assert "\n" not in fault
    assert len(fault) < 200
