"""Plans have the exception that they should have, and a twin differs from its model in what is heard alone."""

from __future__ import annotations

import json

import pytest
import torch

from ground_truth.circuits.rare_branches.levels import LEVELS
from scribe_suite.planting.circuits.branches.plans import N_CTX, N_LABELS, Plan, draw_plan, draw_prompts

every_level = pytest.mark.parametrize("level", LEVELS)


@every_level
@pytest.mark.parametrize("seed", range(5))
def test_one_condition_that_can_be_met_is_heard_or_none(level, seed):
    dial = LEVELS[level]
    plan, twin = (draw_plan(dial, seed, is_twin=is_twin) for is_twin in (False, True))
    assert plan.exception is not None
    assert twin.exception is None
    assert plan.conditions == twin.conditions
    for one in (plan, twin):
        met = [condition.is_met(N_CTX, dial.d_vocab) for condition in one.conditions]
        assert sum(met) == (dial.conditions + 1) // 2
        assert len(one.heard) == dial.heard
        assert sum(met[number] for number in one.heard) == (one is plan)
        assert sum(not condition.gap for condition in one.conditions) == dial.before
    assert len({*plan.heard} ^ {*twin.heard}) == 2, "one takes the place of another"


@every_level
def test_conditions_are_as_rare_as_the_level_says_and_share_no_token(level):
    dial = LEVELS[level]
    plan = draw_plan(dial, 7, is_twin=False)
    probabilities = [one.probability(N_CTX, dial.d_vocab) for one in plan.conditions]
    assert 0 < max(probabilities) <= dial.rarity <= 1e-8
    tokens = [token for one in plan.conditions for part in one.tokens.values() for token in part]
    assert len(set(tokens)) == len(tokens)
    assert 0 not in tokens
    assert {token for token in tokens if token >= dial.d_vocab} == set(
        range(dial.d_vocab, dial.d_vocab + plan.n_phantoms)
    )


@every_level
def test_a_record_gives_the_plan_back(level):
    plan = draw_plan(LEVELS[level], 3, is_twin=False)
    assert Plan.of_record(json.loads(json.dumps(plan.as_record()))) == plan
    assert draw_plan(LEVELS[level], 3, is_twin=False) == plan
    assert draw_plan(LEVELS[level], 4, is_twin=False) != plan


def test_the_label_is_that_of_a_token_before_the_last_but_for_the_exception():
    plan = draw_plan(LEVELS[1], 0, is_twin=False)
    condition, label = plan.exception
    rows = draw_prompts(2, plan.d_vocab, torch.Generator().manual_seed(0))
    for place, tokens in zip(condition.placements(N_CTX)[0], condition.tokens.values(), strict=True):
        rows[0, place] = tokens[0]
    ordinary = [plan.classes[token] for token in rows[:, N_CTX - 1 - plan.back].tolist()]
    assert plan.ordinary(rows).tolist() == ordinary
    assert plan.expected(rows).tolist() == [label, ordinary[1]]


def test_prompts_have_the_start_in_front_and_nowhere_else_and_all_other_tokens():
    prompts = draw_prompts(500, 20, torch.Generator().manual_seed(0), start=13)
    assert (prompts[:, 0] == 13).all()
    assert not (prompts[:, 1:] == 13).any()
    assert set(prompts[:, 1:].flatten().tolist()) == {*range(20)} - {13}


def test_tokens_stand_for_all_labels_alike():
    plan = draw_plan(LEVELS[1], 0, is_twin=False)
    counts = [plan.classes.count(label) for label in range(N_LABELS)]
    assert max(counts) - min(counts) <= 1
