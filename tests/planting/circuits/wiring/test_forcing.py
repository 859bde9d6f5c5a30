"""Nodes are trained on what they should read and write, and can't read anything else."""

from __future__ import annotations

import dataclasses

import torch

from scribe_suite.planting.circuits.wiring.edges import EMBED
from scribe_suite.planting.circuits.wiring.forcing import _losses, train_wired
from tests.planting.circuits.wiring.wired import PROGRAM, RECIPE, nodes


def test_an_input_reads_the_dimensions_of_what_its_variable_reads_and_no_others():
    made = nodes()
    dimensions, index = made.stream.dimensions, [part.name for part in made.heads].index("v3")
    for name, read, positions in (("W_Q", {"v2"}, True), ("W_K", set(), True), ("W_V", {"v1"}, False)):
        heard = set(made.masked(name)[index].any(1).nonzero()[:, 0].tolist())
        allowed = {one for source in read for one in dimensions[source]}
        assert heard == allowed | (set(made.stream.positions) if positions else set())
    first = set(made.masked("W_in")[0].any(1).nonzero()[:, 0].tolist())
    assert first == set(dimensions[EMBED])


def test_training_reduces_every_error_and_follows_from_its_seed():
    recipe = dataclasses.replace(RECIPE, steps=120, batch=32, warmup=10)
    told: list[str] = []
    trained = train_wired(PROGRAM, recipe, 1, lambda _share, state: told.append(state))
    again = train_wired(PROGRAM, recipe, 1, lambda _share, _state: None)
    assert all(torch.equal(one, other) for one, other in zip(trained.parameters(), again.parameters(), strict=True))
    with torch.no_grad():
        before = _losses(nodes(), PROGRAM, recipe, torch.Generator().manual_seed(5))
        after = _losses(trained, PROGRAM, recipe, torch.Generator().manual_seed(5))
    assert before.keys() == set(PROGRAM.variables)
    assert after["v0"] < 0.5 * before["v0"]
    assert sum(after.values()) < 0.7 * sum(before.values())
    assert [state.partition(":")[0] for state in told] == ["step 100", "step 120"]
