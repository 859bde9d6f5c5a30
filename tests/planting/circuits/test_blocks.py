"""Every node has dimensions of its own, and reads those that its variable is computed from."""

from __future__ import annotations

import pytest

from scribe_suite.planting.circuits.blocks import blocks_of, layer_and_head
from tests.planting.circuits.small_circuit import HalfThenLabel, small_shape

BLOCKS = blocks_of(HalfThenLabel(), {"half": ("a0.h1",), "out": ("m1",)}, 3, {"half": 2, "out": 4})


def test_blocks_follow_each_other_and_readers_follow_the_edges():
    assert BLOCKS.width == 9
    assert BLOCKS.written == {"a0.h1": range(3, 5), "m1": range(5, 9)}
    assert BLOCKS.read == {"a0.h1": (), "m1": ("a0.h1",)}
    assert BLOCKS.outputs == ("m1",)


def test_masks_say_what_may_differ_from_zero():
    shape = small_shape(d_model=9, act_fn="relu", normalization=None)
    masks = BLOCKS.masks(shape)
    assert masks["W_E"].tolist() == [1, 1, 1, 0, 0, 0, 0, 0, 0]
    assert masks["W_Q"][0, 1, :, 0].tolist() == [1, 1, 1, 0, 0, 0, 0, 0, 0]
    assert masks["W_O"][0, 1, 0].tolist() == [0, 0, 0, 1, 1, 0, 0, 0, 0]
    assert masks["W_in"][1, :, 0].tolist() == [1, 1, 1, 1, 1, 0, 0, 0, 0]
    assert masks["b_out"][1].tolist() == [0, 0, 0, 0, 0, 1, 1, 1, 1]
    assert masks["W_U"][:, 0].tolist() == [0, 0, 0, 0, 0, 1, 1, 1, 1]
    assert not masks["b_O"].any()
    assert not masks["W_O"][0, 0].any()
    assert not masks["W_out"][0].any()


def test_blocks_of_another_width_are_refused():
    with pytest.raises(ValueError, match="9 dimensions do not fill a residual stream of 16"):
        BLOCKS.masks(small_shape())


@pytest.mark.parametrize(("node", "place"), [("a2.h1", (2, 1)), ("m0", (0, None)), ("a10.h11", (10, 11))])
def test_names_are_read(node, place):
    assert layer_and_head(node) == place
