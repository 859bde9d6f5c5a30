"""A program is worth planting when every edge by itself changes enough labels."""

from __future__ import annotations

import dataclasses

import torch

from scribe_suite.planting.circuits.programs.program import Program
from scribe_suite.planting.circuits.wiring.edges import EMBED
from scribe_suite.planting.circuits.wiring.quality import edge_effects, fault, labels_along
from tests.planting.circuits.wiring.wired import CLASS, PROGRAM


def test_labels_along_an_edge_are_those_of_a_reader_that_reads_the_source():
    base, source = PROGRAM.sample_pairs(50, torch.Generator().manual_seed(0))
    there, here = PROGRAM.run(source).values, PROGRAM.run(base).values
    along = labels_along(PROGRAM, "out", ("v2", "in"), base, source)
    assert torch.equal(along, (here["v3"] + there["v2"]) % 6)
    # what the reader reads otherwise, and what others read of the writer, stays
    along = labels_along(PROGRAM, "v3", ("v2", "q"), base, source)
    slots = torch.tensor(PROGRAM.by_name["v3"].slots)[there["v2"]]
    fetched = here["v1"].gather(1, slots[:, None])[:, 0]
    assert torch.equal(along, (fetched + here["v2"]) % 6)


def test_every_edge_has_an_effect_of_its_own():
    found = edge_effects(PROGRAM, 400, seed=0)
    assert len(found) == 8
    assert all(0 < effect < 1 for effect in found.values())
    assert found["v0", EMBED, "in"] > 0.5


def test_an_idle_edge_and_a_common_label_are_faults():
    assert fault(PROGRAM, effect=0.3, commonest=0.6) == ""
    assert fault(PROGRAM, effect=0.95, commonest=0.6).startswith("v")
    last = PROGRAM.parts[-1]
    ignoring = dataclasses.replace(last, table=tuple(first for first in range(4) for _ in range(4)))
    assert fault(Program([*PROGRAM.parts[:-1], ignoring], [CLASS]), 0.3, 0.6) == "out hardly needs v2"
    constant = dataclasses.replace(last, table=(1,) * 16)
    assert fault(Program([*PROGRAM.parts[:-1], constant], [CLASS]), 0.3, 0.6) == "a common label"
