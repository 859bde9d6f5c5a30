"""Drawn programs are as large and as entangled as their dial says, and fit into a network."""

from __future__ import annotations

import dataclasses
import random

import pytest
import torch

from scribe_suite.planting.circuits.programs.dials import LARGE, LARGEST, MIDDLE, SMALL
from scribe_suite.planting.circuits.programs.placing import place
from scribe_suite.planting.circuits.programs.program import Program
from scribe_suite.planting.circuits.programs.quality import (
    depth_of,
    effects,
    fault,
    labels_by_interchange,
    least_difference,
)
from scribe_suite.planting.circuits.programs.sampling import sample_program
from scribe_suite.planting.circuits.programs.variables import Variable, token_class
from tests.planting.circuits.programs.toy import toy_program


@pytest.mark.parametrize(
    ("dial", "layers"),
    [(SMALL, 6), (MIDDLE, 8), (LARGE, 10), pytest.param(LARGEST, 12, marks=pytest.mark.slow)],
    ids=["small", "middle", "large", "largest"],
)
def test_a_drawn_program_keeps_to_its_dial_and_can_be_placed(dial, layers):
    program = sample_program(dial, 0)
    assert len(program.parts) == dial.variables
    labels = labels_by_interchange(program, 2000, seed=9)
    assert effects(labels).min() > 0.9 * dial.effect
    assert least_difference(labels) > 0.8 * dial.difference
    assert torch.bincount(labels[0]).max() / 2000 < 1.1 * dial.commonest
    assert depth_of(program) >= dial.depth
    where = place(program, layers, 6, random.Random(0))
    depth = {name: int(node[1:].split(".")[0]) + (0.5 if node[0] == "m" else 0.0) for name, (node,) in where.items()}
    assert len({node for (node,) in where.values()}) == dial.variables
    assert all(depth[one] < depth[other] for one, other in program.edges if one in depth and other in depth)


def test_a_large_program_has_a_backup_divided_values_and_a_rare_condition_and_counts_nothing():
    program = sample_program(LARGE, 0)
    assert (program.n_ctx, program.d_vocab) == (LARGE.form.length, LARGE.form.tokens)
    heads = [part for part in program.parts if part.is_head]
    assert not [part for part in heads if part.operation == "count"]

    def looks(part: Variable, *more: str) -> tuple[object, ...]:
        return part.operation, part.inputs[:-1], part.place, part.wanted, *more

    same = [(a, b) for a in heads for b in heads if a is not b and looks(a, a.inputs[-1]) == looks(b, b.inputs[-1])]
    read_together = {frozenset(part.inputs) for part in program.parts if not part.is_head}
    backups = [pair for pair in same if frozenset(part.name for part in pair) in read_together]
    assert backups
    drawn = program.run(program.sample(500, torch.Generator().manual_seed(1))).values
    assert torch.equal(drawn[backups[0][0].name], drawn[backups[0][1].name])
    divided = [
        (a, b)
        for a in heads
        for b in heads
        if a.inputs[-1] != b.inputs[-1] and looks(a) == looks(b) and frozenset((a.name, b.name)) in read_together
    ]
    assert divided
    flags = [part for part in heads if part.size == 2 and part.operation == "at"]
    assert any(0.05 < drawn[part.name].float().mean() < 0.2 for part in flags)


def test_what_counts_is_a_fault_where_nothing_may():
    counting = changed(Variable("third", "count", ("kind",), 7, place=2, wanted=1))
    assert fault(counting, dataclasses.replace(TOY, counts=False)) == "counts"


def test_the_same_seed_draws_the_same_program_and_another_one_another():
    first, again, other = (sample_program(SMALL, seed) for seed in (0, 0, 2))
    assert first.as_record() == again.as_record() != other.as_record()


def test_a_program_that_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="7 variables does not fit into 2 layers"):
        place(sample_program(SMALL, 0), 2, 6, random.Random(0))


TOY = dataclasses.replace(SMALL, variables=4, depth=3)


def changed(*parts: Variable) -> Program:
    """The toy program with some of its variables replaced."""
    by_name = {part.name: part for part in parts}
    program = toy_program()
    return Program([by_name.get(part.name, part) for part in program.parts], program.classes)


def test_a_fault_is_named():
    assert fault(toy_program(), TOY) == ""
    assert fault(toy_program(), SMALL) == "another number of variables"
    assert fault(toy_program(), dataclasses.replace(TOY, depth=4)) == "shallow"
    assert fault(toy_program(), dataclasses.replace(TOY, commonest=0.15)) == "a common label"
    out = toy_program().by_name["out"]
    blunt = changed(dataclasses.replace(out, table=tuple(2 * (entry // 6) for entry in range(18))))
    assert fault(blunt, dataclasses.replace(TOY, commonest=0.5)) == "shift hardly matters"
    apart = changed(Variable("shift", "at", (token_class(0),), 3, place=5))
    assert fault(apart, TOY) == "two variables are one"  # nothing but `third` reads `kind`
