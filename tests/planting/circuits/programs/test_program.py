"""Programs are causal models, and stay what they are on paper and as source."""

from __future__ import annotations

import json
import random

import pytest
import torch

from scribe_suite.planting.circuits.causal import (
    Intervention,
    RenamedModel,
    interchanged,
    renamed_correspondence,
)
from scribe_suite.planting.circuits.programs.dials import SMALL
from scribe_suite.planting.circuits.programs.formats import FORMATS, LONG, SHORT
from scribe_suite.planting.circuits.programs.placing import place
from scribe_suite.planting.circuits.programs.program import Program
from scribe_suite.planting.circuits.programs.sampling import sample_program
from scribe_suite.planting.circuits.programs.source import predict_source
from scribe_suite.planting.circuits.programs.triples import draw_triples, program_labels
from scribe_suite.planting.circuits.programs.variables import LABELS
from scribe_suite.planting.symmetries import draw_symmetry
from tests.planting.circuits.programs.toy import HALF, KIND, prompts, toy_program, toy_shape


def test_markers_stand_in_every_prompt_once_and_never_at_the_ends():
    drawn = prompts(2000)
    assert drawn.shape == (2000, SHORT.length)
    for marker in range(SHORT.words, SHORT.words + SHORT.markers):
        places = (drawn == marker).nonzero()
        assert len(places) == 2000
        assert set(places[:, 1].tolist()) == set(range(1, SHORT.length - 2))


@pytest.mark.parametrize("form", FORMATS.values(), ids=map(str, FORMATS))
def test_prompts_have_the_tokens_of_their_format(form):
    drawn = form.sample_prompts(400, torch.Generator().manual_seed(0), form.groups)
    assert drawn.shape == (400, form.length)
    assert set(drawn.flatten().tolist()) == set(range(form.tokens))
    for marker in form.groups["markers"]:
        places = (drawn == marker).nonzero()
        assert len(places) == 400
        assert set(places[:, 1].tolist()) == set(range(1, form.length - 2))


def test_a_record_names_the_format_where_it_is_not_the_first():
    program = Program(toy_program().parts, toy_program().classes, LONG)
    assert Program.of_record(json.loads(json.dumps(program.as_record()))).form == LONG
    assert "length" not in toy_program().as_record()


def test_the_label_follows_from_the_variables():
    program, drawn = toy_program(), prompts(300)
    expected = [(2 * KIND[row[3]] + KIND[row[5]] + 3 * HALF[row[-1]]) % LABELS for row in drawn.tolist()]
    assert program.run(drawn).labels[:, 0].tolist() == expected


def test_a_variable_that_is_set_changes_what_reads_it_and_nothing_before():
    program, drawn = toy_program(), prompts(50)
    changed = {"third": Intervention(torch.ones(50, dtype=torch.bool), torch.full((50,), 2))}
    run, clean = program.run(drawn, changed), program.run(drawn)
    assert (run.values["third"] == 2).all()
    assert torch.equal(run.values["kind"], clean.values["kind"])
    halves = torch.tensor(HALF)[drawn[:, -1]]
    assert torch.equal(run.labels[:, 0], (4 + clean.values["shift"] + 3 * halves) % LABELS)


def test_edges_say_what_is_computed_from_what():
    assert set(toy_program().edges) == {
        *(("input", "kind"), ("kind", "third"), ("kind", "shift"), ("third", "out"), ("shift", "out")),
        ("input", "out"),
        ("out", "output"),
    }


def test_a_program_is_read_as_it_was_written():
    program = sample_program(SMALL, 0)
    again = Program.of_record(json.loads(json.dumps(program.as_record())))
    assert (again.parts, again.classes, again.edges) == (program.parts, program.classes, program.edges)
    assert torch.equal(again.run(prompts(200)).labels, program.run(prompts(200)).labels)


def test_the_source_of_a_program_predicts_what_it_does_under_patches_in_any_names():
    shape = toy_shape(n_layers=6, n_heads=4)
    for seed in (0, 2):
        program = sample_program(SMALL, seed)
        where = place(program, 6, 4, random.Random(seed))
        symmetry = draw_symmetry(shape.config(), seed)
        causal, there = RenamedModel(program, symmetry), renamed_correspondence(where, symmetry)
        triples = draw_triples(causal, there, shape.nodes, 40, seed)
        space: dict = {}
        code = predict_source(program, there, symmetry)
        exec(code, space)
        rows = zip(triples.pairs.base.tolist(), triples.pairs.source.tolist(), triples.patched, strict=True)
        assert [space["predict"](*row) for row in rows] == program_labels(causal, triples).tolist()
        assert len(code) < 10_000


def test_an_interchange_takes_values_from_the_source():
    program, base, source = toy_program(), prompts(100, 1), prompts(100, 2)
    chosen = torch.tensor([[name == "out" for name in program.variables]]).expand(100, -1)
    assert torch.equal(interchanged(program, base, source, chosen).labels, program.run(source).labels)
    assert program.run(base).labels.max() < LABELS
    assert (program.d_vocab, program.n_ctx) == (SHORT.tokens, SHORT.length)
