"""Random programs are as large as asked, without faults, and the same for the same seed."""

from __future__ import annotations

import pytest

from scribe_suite.planting.circuits.wiring.edges import inputs_of
from scribe_suite.planting.circuits.wiring.quality import edge_effects
from scribe_suite.planting.circuits.wiring.sampling import WiringDial, sample_wiring

DIAL = WiringDial(everywhere=3, rounds="hhts")


def test_a_program_has_the_variables_of_its_dial_and_edges_that_matter():
    for seed in range(3):
        program = sample_wiring(DIAL, seed)
        assert len(program.variables) == DIAL.variables == 8
        assert sum(part.everywhere for part in program.parts) == 3
        assert min(edge_effects(program, 1000, seed=9).values()) > 0.3
        read = {source for name in program.variables for source, _ in inputs_of(program, name)}
        assert set(program.variables) - read == {"out"}


def test_a_head_that_waits_for_a_value_reads_it_from_another_variable_than_what_it_fetches():
    for seed in range(6):
        parts = sample_wiring(DIAL, seed).parts
        assert all(len(set(part.inputs)) == len(part.inputs) for part in parts)


def test_seeds_give_programs():
    records = [sample_wiring(DIAL, seed).as_record() for seed in (1, 1, 2)]
    assert records[0] == records[1] != records[2]


def test_what_can_not_be_drawn_is_said(monkeypatch):
    monkeypatch.setattr("scribe_suite.planting.circuits.wiring.sampling._ATTEMPTS", 3)
    with pytest.raises(ValueError, match="no program of 8 variables in 3 attempts"):
        sample_wiring(WiringDial(everywhere=3, rounds="hhts", effect=0.99), 0)
