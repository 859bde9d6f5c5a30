"""Variables stand behind what they read, at any distance."""

from __future__ import annotations

import random

import pytest

from scribe_suite.planting.circuits.layout import computed_before
from scribe_suite.planting.circuits.wiring.edges import EMBED, wiring_of
from scribe_suite.planting.circuits.wiring.placing import spread
from tests.planting.circuits.wiring.wired import PROGRAM


def test_readers_come_after_what_they_read_and_no_node_is_taken_twice():
    far = set()
    for seed in range(30):
        where = spread(PROGRAM, 7, 2, random.Random(seed))
        nodes = [node for (node,) in where.values()]
        assert len(set(nodes)) == len(PROGRAM.parts)
        assert all(where[part.name][0][0] == ("a" if part.is_head else "m") for part in PROGRAM.parts)
        for edge in wiring_of(PROGRAM, where):
            assert edge.writer == EMBED or computed_before(edge.writer, edge.reader)
        far.add((where["v1"][0][:2], where["out"][0]))
    assert len(far) >= 4
    assert spread(PROGRAM, 7, 2, random.Random(3)) == spread(PROGRAM, 7, 2, random.Random(3))


def test_the_least_number_of_layers_is_enough_and_one_less_is_not():
    assert spread(PROGRAM, 4, 2, random.Random(0))
    with pytest.raises(ValueError, match="does not fit into 3 layers"):
        spread(PROGRAM, 3, 2, random.Random(0))
