"""Networks say what their plans say, at every place, and what meets a condition in part moves nothing."""

from __future__ import annotations

import dataclasses
import random
from functools import cache

import pytest
import torch

from ground_truth.circuits.rare_branches.levels import LEVELS
from scribe_suite.planting.circuits.branches.certificate import certify_branch
from scribe_suite.planting.circuits.branches.codes import NEAREST, Codes
from scribe_suite.planting.circuits.branches.network import Layout, build_network
from scribe_suite.planting.circuits.branches.plans import N_CTX, draw_plan, draw_prompts
from scribe_suite.planting.circuits.branches.prompts import NEAR, Drawing, chosen, that_meet, that_miss
from scribe_suite.planting.circuits.patchable import PatchableTransformer
from scribe_suite.planting.frozen import round_to_half

every_level = pytest.mark.parametrize("level", LEVELS)


@pytest.fixture(autouse=True, scope="module")
def _one_thread():
    torch.set_num_threads(1)


@cache
def model(level: int, is_twin: bool = False):
    plan = draw_plan(LEVELS[level], 11, is_twin=is_twin)
    return plan, round_to_half(build_network(plan, 5))


@torch.no_grad()
def labels_of(weights, prompts):
    return PatchableTransformer.from_weights(weights)(prompts)[0][:, -1].argmax(-1)


def test_tokens_are_told_from_all_others():
    classes = [(3,), (4, 5), (50,)]
    codes = Codes(51, classes, 16, torch.Generator().manual_seed(0))
    for members, vector in codes.recognising.items():
        products = codes.of @ vector
        assert products[list(members)].tolist() == pytest.approx([1.0] * len(members), abs=1e-5)
        assert products[[token for token in range(51) if token not in members]].max() <= NEAREST + 1e-6


@every_level
@pytest.mark.parametrize("is_twin", [False, True])
def test_the_network_says_what_the_plan_says(level, is_twin):
    plan, weights = model(level, is_twin)
    drawing, generator = Drawing(plan.d_vocab, random.Random(0)), torch.Generator().manual_seed(0)
    rows = [draw_prompts(200, plan.d_vocab, generator)]
    for condition in plan.conditions:
        if condition.is_met(N_CTX, plan.d_vocab):
            rows.append(that_meet(condition, condition.placements(N_CTX), drawing))
            rows += [that_miss(condition, kind, chosen(condition, 20, drawing.rng), drawing) for kind in NEAR]
    prompts = torch.cat(rows)
    assert (labels_of(weights, prompts) == plan.expected(prompts)).all()
    changed = plan.expected(prompts) != plan.ordinary(prompts)
    assert changed.any() != is_twin


def test_near_misses_miss_by_one_thing():
    plan, _ = model(1)
    condition, _ = plan.exception
    drawing = Drawing(plan.d_vocab, random.Random(0))
    tokens = [part[0] for part in condition.tokens.values()]
    for kind in NEAR:
        rows = that_miss(condition, kind, chosen(condition, 50, drawing.rng), drawing)
        assert not condition.holds(rows).any()
        there = torch.stack([(rows == token).any(1) for token in tokens])
        # a token that is put in another's place may stand elsewhere by chance
        assert there.float().sum(0).median() == (3 if kind.startswith("without") else 4)


def test_the_same_seed_gives_the_same_weights():
    plan, _ = model(1)
    first, again, other = (build_network(plan, seed).state for seed in (5, 5, 6))
    assert all(value.equal(again[name]) for name, value in first.items())
    assert not first["embed.W_E"].equal(other["embed.W_E"])


@every_level
def test_a_twin_has_the_same_parts_and_one_exchange(level):
    there, twin = (model(level, is_twin)[1].state for is_twin in (False, True))
    differ = {name for name, value in there.items() if not value.equal(twin[name])}
    assert differ == {"blocks.2.mlp.W_out"}
    written = [state["blocks.2.mlp.W_out"] for state in (there, twin)]
    assert 1 <= (written[0] != written[1]).any(1).sum() <= LEVELS[level].conditions
    sizes = [rows.norm(dim=1).sort().values for rows in written]
    assert sizes[0] == pytest.approx(sizes[1], abs=0.02)
    reaching = [(state["blocks.2.mlp.W_out"] @ state["unembed.W_U"]).norm(dim=1) for state in (there, twin)]
    assert reaching[0].sort().values == pytest.approx(reaching[1].sort().values, abs=0.02)


@pytest.mark.slow
@every_level
@pytest.mark.parametrize("is_twin", [False, True])
def test_the_certificate_passes_and_names_what_it_claims(level, is_twin):
    plan, weights = model(level, is_twin)
    certificate = certify_branch(weights, plan, LEVELS[level].rarity, 0)
    assert certificate.failures() == []
    names = {check.name for check in certificate.checks}
    assert {"ordinary", "rarity"} <= names
    assert ("holds/least" in names) != is_twin
    assert {f"near/{kind}/least" in names for kind in NEAR} == {not is_twin}
    unheard = {number for number in range(len(plan.conditions)) if f"unheard/{number}/least" in names}
    assert unheard == {*range(len(plan.conditions))} - {plan.branch}


@pytest.mark.slow
def test_the_certificate_fails_for_another_plan_and_for_an_exception_that_is_not_there():
    plan, weights = model(1)
    twin, silent = model(1, is_twin=True)
    assert {"holds/least"} <= failed(silent, plan)
    assert {f"unheard/{plan.branch}/least"} <= failed(weights, twin)
    assert {"ordinary"} <= failed(weights, dataclasses.replace(plan, back=plan.back % 9 + 1))
    assert "rarity" in failed(weights, plan, rarity=1e-12)


def failed(weights, plan, rarity: float = 1e-8) -> set[str]:
    found = certify_branch(weights, plan, rarity, 0)
    return {check.name for check in found.checks if not check.passed}


@pytest.mark.slow
def test_the_certificate_notices_a_rule_that_fails_at_one_edge_and_a_leak():
    plan, weights = model(1)
    # pairs that end in the last place are not found: what heads bring there of first tokens is drowned
    layout = Layout(plan)
    first = layout["first"]
    state = {name: value.clone() for name, value in weights.state.items()}
    state["pos_embed.W_pos"][-1, first] = -3.0
    edge = failed(dataclasses.replace(weights, state=state), plan)
    assert "holds/least" in edge
    assert "ordinary" not in edge
    # the later pair alone does a little of what the condition does
    state = {name: value.clone() for name, value in weights.state.items()}
    state["blocks.0.mlp.W_out"][2 * plan.branch + 1, layout.at("condition", plan.branch)] += 1.0
    leaks = failed(dataclasses.replace(weights, state=state), plan)
    assert any(name.startswith("quiet/") for name in leaks)
