"""Codes keep values apart, and variables and embeddings out of each other's way."""

from __future__ import annotations

import pytest
import torch

from scribe_suite.planting.circuits.programs.codes import CODE_NORM, Codes
from scribe_suite.planting.circuits.programs.formats import SHORT
from scribe_suite.planting.circuits.programs.program import Program
from scribe_suite.planting.circuits.programs.variables import SPAN, Variable, token_class

PARTS = [
    Variable("four", "at", (token_class(0),), 4, place=1),
    Variable("two", "at", (token_class(0),), 2, place=2),
    Variable("count", "count", (token_class(0),), SPAN + 1),
    Variable("all", "table", (token_class(0),), 3, everywhere=True, table=(0, 1, 2), shape=(3,)),
]


def codes(width: int = 20) -> Codes:
    return Codes(Program(PARTS, [[0] * 20]), width, torch.Generator().manual_seed(0))


def test_values_are_equally_far_apart_and_counts_lie_on_a_line():
    of = codes().of
    distances = torch.cdist(of["four"], of["four"])[~torch.eye(4, dtype=torch.bool)]
    assert torch.allclose(distances, distances[0].expand_as(distances), atol=1e-4)
    assert torch.allclose(of["four"].norm(dim=1), torch.tensor(CODE_NORM), atol=1e-4)
    assert torch.allclose(of["four"].mean(0), torch.zeros(20), atol=1e-5)
    steps = of["count"].diff(dim=0)
    assert torch.allclose(steps, steps[0].expand_as(steps), atol=1e-5)


def test_variables_and_embeddings_have_dimensions_of_their_own():
    drawn = codes()
    for one in drawn.of:
        for other in drawn.of:
            assert one == other or (drawn.of[one] @ drawn.of[other].T).abs().max() < 1e-4
        assert (drawn.of[one] @ drawn.free.T).abs().max() < 1e-4
    assert drawn.free.shape == (20 - 3 - 1 - 1 - 2, 20)


def test_a_variable_at_the_end_says_something_random_elsewhere():
    drawn, value = codes(), torch.tensor([1] * 500)
    stream = drawn.stream(PARTS[1], value, torch.Generator().manual_seed(1))
    assert stream.shape == (500, SHORT.length, 20)
    assert torch.equal(stream[:, -1], drawn.of["two"][value])
    assert not torch.equal(stream[0, :-1], stream[1, :-1])
    everywhere = torch.zeros(2, SHORT.length, dtype=torch.long)
    assert torch.equal(drawn.stream(PARTS[3], everywhere, torch.Generator()), drawn.of["all"][everywhere])


def test_a_stream_that_is_too_narrow_is_refused():
    with pytest.raises(ValueError, match="need 7 dimensions and more, there are 7"):
        codes(7)
