"""Plans: variables are uniform and independent, labels are combinations, and names can be changed."""

from __future__ import annotations

import json

import pytest
import torch

from scribe_suite.planting.symmetries import draw_symmetry
from scribe_suite.planting.variables.network import shape_of
from scribe_suite.planting.variables.plans import N_CTX, Dial, Plan, draw_pairs, draw_plan, draw_prompts

DIALS = [Dial(2, 3, 48, 3.0), Dial(3, 4, 60, 3.0)]
every_dial = pytest.mark.parametrize("dial", DIALS, ids=["two", "three"])


def prompts_of(dial: Dial, count: int = 20_000):
    return draw_prompts(count, dial.d_vocab, torch.Generator().manual_seed(0))


@every_dial
def test_all_combinations_are_equally_likely(dial):
    plan = draw_plan(dial, 1)
    counts = torch.bincount(plan.expected(prompts_of(dial)), minlength=plan.n_labels) / 20_000
    assert counts.numel() == dial.values**dial.variables
    assert counts == pytest.approx(torch.full_like(counts, 1 / plan.n_labels), abs=0.03)


@every_dial
def test_no_single_token_says_anything_of_a_variable(dial):
    plan, prompts = draw_plan(dial, 2), prompts_of(dial)
    variables = plan.variables(prompts)
    for slot in plan.slots:
        classes = torch.tensor(plan.classes)[prompts[:, slot]]
        for variable in range(dial.variables):
            shares = variables[classes == 0, variable].bincount(minlength=dial.values) / (classes == 0).sum()
            assert shares == pytest.approx(torch.full_like(shares, 1 / dial.values), abs=0.03)


@every_dial
def test_a_label_stands_for_its_combination(dial):
    plan, prompts = draw_plan(dial, 3), prompts_of(dial, 500)
    assert torch.tensor(plan.combinations)[plan.expected(prompts)].equal(plan.variables(prompts))
    groups = torch.tensor(plan.groups(1))
    assert groups[plan.expected(prompts)].equal(plan.variables(prompts)[:, 1])


@every_dial
def test_pairs_differ_in_every_variable(dial):
    plan = draw_plan(dial, 4)
    base, source = draw_pairs(plan, 300, torch.Generator().manual_seed(1))
    assert base.shape == source.shape == (300, N_CTX)
    assert (plan.variables(base) != plan.variables(source)).all()


@every_dial
def test_a_symmetry_renames_tokens_and_labels(dial):
    plan, prompts = draw_plan(dial, 5), prompts_of(dial, 500)
    symmetry = draw_symmetry(shape_of(dial).config(), 7)
    renamed = plan.renamed(symmetry)
    assert renamed.variables(symmetry.tokens(prompts)).equal(plan.variables(prompts))
    assert renamed.expected(symmetry.tokens(prompts)).equal(symmetry.labels(plan.expected(prompts)))


@every_dial
def test_the_same_seed_gives_the_same_plan_and_a_record_gives_it_back(dial):
    plan = draw_plan(dial, 6)
    assert plan == draw_plan(dial, 6) != draw_plan(dial, 7)
    assert Plan.of_record(json.loads(json.dumps(plan.as_record()))) == plan
    assert N_CTX - 1 not in plan.slots
