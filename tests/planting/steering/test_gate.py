"""Models with a gate: its direction turns it on where it is read, and nothing else does what is asked."""

from __future__ import annotations

import json
from functools import cache

import pytest
import torch

from scribe_suite.planting.hooked import build_model
from scribe_suite.planting.steering.certificate import (
    certify_gate,
    judged_prompts,
    label_direction,
    means_direction,
)
from scribe_suite.planting.steering.network import KEPT_LAYER, READING_LAYER, build_gate, gate_direction, shape_of
from scribe_suite.planting.steering.plans import (
    ASIDE,
    CONDITION,
    FIRST,
    GATE,
    GateDial,
    GatePlan,
    draw_contrast,
    draw_gate_plan,
    draw_where,
)
from scribe_suite.planting.symmetries import draw_symmetry

EQUAL = GateDial(d_vocab=40, confounded={}, loud=1.0, pairs=100)
CONFOUNDED = GateDial(d_vocab=40, confounded={ASIDE: 0.9, FIRST: 0.85}, loud=3.0, pairs=200)
DIALS = {"equal": EQUAL, "confounded": CONFOUNDED}

every_model = pytest.mark.parametrize(("which", "read"), [(which, read) for which in DIALS for read in (True, False)])


@cache
def planted(which: str = "equal", read: bool = True):
    dial = DIALS[which]
    plan = draw_gate_plan(dial, read, 5)
    weights = build_gate(dial, plan, 6)
    return plan, build_model(weights).requires_grad_(requires_grad=False), weights


@cache
def judged(which: str = "equal", read: bool = True):
    plan, model, _ = planted(which, read)
    return judged_prompts(model, plan, 60, torch.Generator().manual_seed(1))


@every_model
def test_models_say_what_the_plan_says(which, read):
    plan, model, _ = planted(which, read)
    prompts = torch.randint(40, (400, 10), generator=torch.Generator().manual_seed(2))
    assert model(prompts)[:, -1].argmax(-1).equal(plan.expected(prompts))


@every_model
def test_the_gate_works_where_it_is_read_only(which, read):
    at_work = judged(which, read).effect(KEPT_LAYER, gate_direction())
    assert at_work.effect > 0.99 if read else at_work.effect < 0.01
    assert at_work.against == 0.0
    assert judged(which, read).effect(READING_LAYER, gate_direction()).effect < 0.01
    assert judged(which, read).effect(KEPT_LAYER, -gate_direction()).effect < 0.01
    assert judged(which, read).effect(KEPT_LAYER, torch.zeros(len(gate_direction()))).scale == 0.0


@every_model
def test_labels_that_are_made_likelier_change_neutral_prompts(which, read):
    plan, model, _ = planted(which, read)
    for layer in (KEPT_LAYER, READING_LAYER):
        assert judged(which, read).effect(layer, label_direction(model, plan)).effect < 0.01


def test_the_difference_of_means_finds_the_gate_only_where_nothing_goes_along_with_it():
    effects = {}
    for which, dial in DIALS.items():
        plan, model, _ = planted(which)
        pairs = draw_contrast(plan, dial.pairs, dial.confounded, torch.Generator().manual_seed(3))
        effects[which] = judged(which).effect(KEPT_LAYER, means_direction(model, pairs, KEPT_LAYER)).effect
    assert effects["equal"] > 0.95
    assert effects["confounded"] < 0.45


def test_running_on_from_the_last_position_is_what_hooks_do():
    plan, model, _ = planted()
    target = draw_where(plan, 60, {GATE: 0, CONDITION: 1}, torch.Generator().manual_seed(1))
    wanted = torch.tensor(plan.partners)[plan.expected(target)]
    change = 3 * torch.randn(model.cfg.d_model, generator=torch.Generator().manual_seed(4))

    def add(value, hook):
        value = value.clone()
        value[:, -1] += change
        return value

    for layer in (KEPT_LAYER, READING_LAYER):
        hooked = model.run_with_hooks(target, fwd_hooks=[(f"blocks.{layer}.hook_resid_post", add)])[:, -1].softmax(-1)
        known = judged().after(layer, change)[0]
        assert torch.allclose(known, hooked.gather(1, wanted[:, None])[:, 0], atol=1e-6)


def test_models_with_and_without_a_read_gate_have_the_same_sizes_of_weights():
    sizes = []
    for read in (True, False):
        _, _, weights = planted("confounded", read)
        sizes.append({name: round(float(tensor.norm()), 3) for name, tensor in weights.state.items()})
    assert sizes[0] == sizes[1]


def test_contrast_prompts_differ_in_the_gate_and_in_what_goes_along_with_it():
    plan, _, _ = planted("confounded")
    sides = draw_contrast(plan, 400, CONFOUNDED.confounded, torch.Generator().manual_seed(3))
    for gate, prompts in zip((1, 0), sides, strict=True):
        values = plan.variables(prompts)
        assert values[:, GATE].unique().tolist() == [gate]
        assert values[:, CONDITION].unique().tolist() == [1]
        same = (values == gate).float().mean(0)
        assert same[ASIDE] == pytest.approx(0.9, abs=0.06)
        assert same[FIRST] == pytest.approx(0.85, abs=0.06)


def test_combinations_of_values_that_are_not_drawn_are_no_error():
    plan, _, _ = planted("confounded")
    for count in (1, 3):
        sides = draw_contrast(plan, count, CONFOUNDED.confounded, torch.Generator().manual_seed(3))
        assert [side.shape for side in sides] == [(count, 10)] * 2


def test_a_label_and_its_partner_differ_in_the_way_alone_and_neutral_prompts_have_both():
    plan, _, _ = planted()
    partners = plan.partners
    assert sorted(one for one in partners if one >= 0) == [label for label, one in enumerate(partners) if one < 0]
    neutral = draw_where(plan, 400, {CONDITION: 0}, torch.Generator().manual_seed(4))
    assert sorted(plan.expected(neutral).unique().tolist()) == list(range(8))


def test_a_plan_can_be_frozen_and_renamed():
    plan, _, _ = planted("confounded")
    assert GatePlan.of_record(json.loads(json.dumps(plan.as_record()))) == plan
    symmetry = draw_symmetry(shape_of(CONFOUNDED).config(), 7)
    prompts = torch.randint(40, (100, 10), generator=torch.Generator().manual_seed(3))
    renamed = plan.renamed(symmetry)
    moved = symmetry.tokens(prompts)
    assert renamed.variables(moved).equal(plan.variables(prompts))
    assert renamed.expected(moved).equal(torch.tensor(symmetry.label_map)[plan.expected(prompts)])


@pytest.mark.slow
def test_a_certificate_passes_and_fails_for_a_gate_that_is_not_read():
    plan, _, weights = planted("confounded")
    certificate = certify_gate(weights, CONFOUNDED, plan, 1)
    assert certificate.passed, certificate.failures()
    _, _, other = planted("confounded", read=False)
    failures = certify_gate(other, CONFOUNDED, plan, 1).failures()
    assert any(failure.startswith("gate/1") for failure in failures)
    assert any(failure.startswith("search/1") for failure in failures)
