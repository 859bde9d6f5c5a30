"""The small network of a circuit."""

from __future__ import annotations

import pytest

from scribe_suite.planting.circuits.compact import compact
from tests.planting.circuits.small_circuit import WIDTH, planted_shape, small_shape


def test_layers_and_heads_that_hold_nothing_are_left_out():
    shape = planted_shape(n_layers=5, n_heads=4)
    plan = compact(shape, ["a1.h3", "a1.h0", "m3", "a4.h2"], width=12)
    assert (plan.shape.n_layers, plan.shape.n_heads, plan.shape.d_model, plan.shape.d_mlp) == (3, 2, 12, 32)
    assert plan.names == {"a1.h0": "a0.h0", "a1.h3": "a0.h1", "m3": "m1", "a4.h2": "a2.h0"}
    assert set(plan.names.values()) <= set(plan.shape.nodes)
    assert (plan.shape.normalization, plan.shape.act_fn) == (None, shape.act_fn)


def test_a_circuit_of_heads_has_nearly_no_mlp_and_one_of_mlps_nearly_no_heads():
    assert compact(planted_shape(), ["a0.h1", "a2.h0"], WIDTH).shape.d_mlp == 1
    assert compact(planted_shape(), ["m1"], WIDTH).shape.n_heads == 1


def test_what_does_not_exist_is_refused():
    with pytest.raises(ValueError, match="no node 'm7'"):
        compact(planted_shape(), ["m7"], 8)


def test_a_shape_is_only_made_smaller():
    shape = small_shape(act_fn="relu", normalization=None)
    everything = compact(shape, shape.nodes, shape.d_model)
    assert everything.shape == shape
    assert everything.names == {node: node for node in shape.nodes}
