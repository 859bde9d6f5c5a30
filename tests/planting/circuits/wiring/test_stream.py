"""Dimensions of the residual stream have one owner each."""

from __future__ import annotations

import torch

from scribe_suite.planting.circuits.wiring.stream import CODE_NORM, Stream, corners
from tests.planting.circuits.wiring.wired import PROGRAM


def test_every_dimension_has_one_owner():
    stream = Stream(PROGRAM)
    owned = [*stream.positions, *stream.constants, *(one for rows in stream.dimensions.values() for one in rows)]
    assert sorted(owned) == list(range(stream.width))


def test_codes_are_the_corners_of_a_simplex():
    for size in (2, 4, 6):
        found = corners(size)
        assert found.shape == (size, size - 1)
        assert torch.allclose(found.norm(dim=1), torch.full((size,), CODE_NORM), atol=1e-5)
        assert torch.allclose(found.sum(0), torch.zeros(size - 1), atol=1e-5)


def test_a_variable_at_the_end_has_its_own_value_there_and_random_ones_before():
    stream, generator = Stream(PROGRAM), torch.Generator().manual_seed(0)
    values = PROGRAM.run(PROGRAM.sample(40, generator)).values
    filled = stream.filled(values, generator)
    assert torch.equal(filled["v1"], values["v1"])
    assert torch.equal(filled["v2"][:, -1], values["v2"])
    assert len(set(filled["v2"][:, 0].tolist())) == 4
    written = stream.written(filled)
    assert written.shape == (40, 12, stream.width)
    assert torch.allclose(written[:, -1, list(stream.dimensions["v2"])], stream.codes["v2"][values["v2"]])
    assert not written[..., : stream.constants.stop].any()
