"""Compiled programs: networks that compute every variable, under every intervention, without training."""

from __future__ import annotations

import random

import pytest
import torch

from scribe_suite.planting.circuits.causal import interchanged
from scribe_suite.planting.circuits.interchange import Pairs
from scribe_suite.planting.circuits.patchable import TransformerShape
from scribe_suite.planting.circuits.programs.compiling import compiled
from scribe_suite.planting.circuits.programs.dials import LARGE
from scribe_suite.planting.circuits.programs.formats import SHORT
from scribe_suite.planting.circuits.programs.placing import place
from scribe_suite.planting.circuits.programs.program import Program
from scribe_suite.planting.circuits.programs.sampling import sample_program
from scribe_suite.planting.circuits.programs.triples import network_labels
from scribe_suite.planting.circuits.programs.variables import SPAN, Variable, token_class
from tests.planting.circuits.programs.toy import HALF, KIND, WHERE, toy_program, toy_shape


def agreement(program: Program, where, shape: TransformerShape, seed: int = 0) -> float:
    """The share of labels under random interchanges that a compiled network has in common with its program."""
    network = compiled(program, where, shape, seed)
    generator = torch.Generator().manual_seed(1)
    base, source = program.sample_pairs(300, generator)
    chosen = torch.rand(len(base), len(program.variables), generator=generator) < 0.3
    wanted = interchanged(program, base, source, chosen).labels[:, 0]
    names = [
        [node for name, here in zip(program.variables, row, strict=True) if here for node in where[name]]
        for row in chosen
    ]
    found = network_labels(network, Pairs(base, source), names, program.n_ctx - 1)
    return (found == wanted).float().mean().item()


def wide(**changes) -> TransformerShape:
    return toy_shape(**{"d_model": 64, "d_head": 10, **changes})


def test_a_network_follows_its_program_under_interchanges():
    assert agreement(toy_program(), WHERE, wide()) > 0.99


def counting(table: tuple[int, ...]) -> Program:
    return Program(
        [
            Variable("kind", "table", (token_class(0),), 3, everywhere=True, table=(0, 1, 2), shape=(3,)),
            Variable("many", "count", ("kind",), SPAN + 1, place=2, wanted=1),
            Variable("before", "back", ("kind",), 3, everywhere=True, by=1),
            Variable("late", "latest", ("kind", "before"), 3, wanted=2),
            Variable("there", "pointed", ("late", "kind"), 3, slots=(7, 1, 9)),
            Variable("out", "table", ("many", "there"), 6, table=table, shape=(SPAN + 1, 3)),
        ],
        [KIND, HALF],
    )


def test_heads_count_and_find_and_tables_read_counts():
    where = {"kind": ("m0",), "many": ("a1.h0",), "before": ("a1.h1",), "late": ("a2.h0",), "there": ("a3.h0",)}
    program = counting(tuple((count // 2 + third) % 6 for count in range(SPAN + 1) for third in range(3)))
    assert agreement(program, {**where, "out": ("m3",)}, wide(n_layers=4)) > 0.99


def test_a_value_at_the_end_is_found_from_the_last_place_alone():
    program = Program(
        [
            Variable("kind", "table", (token_class(0),), 3, everywhere=True, table=(0, 1, 2), shape=(3,)),
            Variable("there", "at", ("kind",), 3, place=2),
            Variable("late", "latest", ("kind", token_class(1)), 2, wanted=2),
            Variable("out", "table", ("there", "late"), 6, table=tuple(range(6)), shape=(3, 2)),
        ],
        [KIND, HALF],
    )
    where = {"kind": ("m0",), "there": ("a1.h0",), "late": ("a1.h1",), "out": ("m1",)}
    network = compiled(program, where, wide(n_layers=2), 0)
    scores = list(network.attention_scores(program.sample(40, torch.Generator().manual_seed(0))))[1]
    looked = scores.masked_fill(~torch.ones(scores.shape[-2:], dtype=torch.bool).tril(), -torch.inf).argmax(-1)
    assert (looked[:, 0, -1] == 2).all()
    for head in (0, 1):
        # nothing is gained by reading the places before: most have another value, each its own
        assert (looked[:, head, 3:-1] == looked[:, head, -1:]).float().mean() < 0.5
    assert agreement(program, where, wide(n_layers=2)) > 0.99


@pytest.mark.slow
def test_large_programs_with_all_that_is_hard_to_see_are_followed():
    program = sample_program(LARGE, 3)
    where = place(program, 10, 6, random.Random(3))
    shape = TransformerShape(
        **{**vars(wide(n_layers=10, n_heads=6, d_model=88, d_head=12, d_mlp=80)), "n_ctx": 16, "d_vocab": 26}
    )
    assert agreement(program, where, shape) > 0.98


def test_the_same_seed_gives_the_same_weights_and_another_one_others():
    first, again, other = (compiled(toy_program(), WHERE, wide(), seed).state_dict() for seed in (0, 0, 1))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["W_E"], other["W_E"])


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"d_model": 40}, "the embeddings need"), ({"d_head": 4}, "tell places"), ({"d_mlp": 10}, "needs 18 neurons")],
)
def test_what_does_not_fit_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        compiled(toy_program(), WHERE, wide(**changes), 0)


def test_no_node_is_left_without_weights_of_any_kind():
    network = compiled(toy_program(), WHERE, wide(), 0)
    assert SHORT.length == network.shape.n_ctx
    for name in ("W_Q", "W_K", "W_V", "W_O"):
        assert getattr(network, name)[1, 1].norm() > 0
    assert network.W_in[0].norm() > 0
