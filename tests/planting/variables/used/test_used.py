"""Models with properties: used ones move the label, others don't, and only the right directions tell."""

from __future__ import annotations

import json
from functools import cache

import pytest
import torch

from scribe_suite.planting.hooked import build_model
from scribe_suite.planting.symmetries import draw_symmetry
from scribe_suite.planting.variables.interchange import exchanged_labels, rates_of
from scribe_suite.planting.variables.plans import draw_pairs, draw_prompts
from scribe_suite.planting.variables.used.certificate import KEPT, certify_used
from scribe_suite.planting.variables.used.network import build_used, illusory_directions, kept_directions, shape_of
from scribe_suite.planting.variables.used.plans import BASE_RATE, PROPERTIES, UsedDial, UsedPlan, draw_used_plan

EQUAL = UsedDial((1 / 3, 1 / 3, 1 / 3), d_vocab=48)
SKEWED = UsedDial((0.6, 0.2, 0.2), d_vocab=60, size=0.5)
PLANS = {"two": (EQUAL, 2), "none": (SKEWED, 0), "one": (SKEWED, 1)}


@cache
def planted(which: str = "two"):
    dial, count = PLANS[which]
    plan = draw_used_plan(dial, count, 5)
    weights = build_used(dial, plan, 6)
    return dial, plan, build_model(weights), weights


def moved(which: str, number: int, directions: torch.Tensor) -> float:
    _, plan, model, _ = planted(which)
    pairs = draw_pairs(plan.plan, 60, torch.Generator().manual_seed(0))
    return rates_of(exchanged_labels(model, *pairs, KEPT, directions), *pairs, plan.plan, number).interchange


@pytest.mark.parametrize("which", PLANS)
def test_the_label_follows_used_properties_only(which):
    dial, plan, model, _ = planted(which)
    prompts = draw_prompts(300, dial.d_vocab, torch.Generator().manual_seed(1))
    assert model(prompts)[:, -1].argmax(-1).equal(plan.plan.expected(prompts))
    for number in range(PROPERTIES):
        assert moved(which, number, kept_directions(dial, number)) == float(number in plan.used)


@pytest.mark.parametrize("which", PLANS)
def test_illusory_directions_move_the_label_whether_or_not_a_property_is_used(which):
    dial, plan, _, _ = planted(which)
    for number in set(range(PROPERTIES)) - set(plan.used):
        assert moved(which, number, illusory_directions(dial, number)) >= 0.9
        # what reads the other half never varies by itself
        unwritten = illusory_directions(dial, number) - kept_directions(dial, number) / 2**0.5
        assert moved(which, number, unwritten) == 0.0


def test_differences_of_means_mislead_where_classes_are_skewed():
    dial, plan, model, _ = planted("none")
    prompts = draw_prompts(2000, dial.d_vocab, torch.Generator().manual_seed(1))
    hook = f"blocks.{KEPT.layer}.hook_{KEPT.site}"
    here = model.run_with_cache(prompts, names_filter=hook)[1][hook][:, -1]
    values = plan.plan.variables(prompts)
    found = []
    for number in range(PROPERTIES):
        means = torch.stack([here[values[:, number] == value].mean(0) for value in range(dial.values)])
        found.append(moved("none", number, (means - means.mean(0)).T[:, : dial.values - 1]))
    assert sum(found) / len(found) > 0.1


def test_models_with_different_numbers_of_used_properties_have_the_same_sizes_of_weights():
    dial = SKEWED
    sizes = []
    for count in range(3):
        weights = build_used(dial, draw_used_plan(dial, count, 5), 6)
        sizes.append({name: round(float(tensor.norm()), 3) for name, tensor in weights.state.items()})
    assert sizes[0] == sizes[1] == sizes[2]


def test_the_base_rate_is_the_mean_share_of_used_properties():
    assert sum(range(3)) / 3 / PROPERTIES == BASE_RATE
    plan = draw_used_plan(EQUAL, 2, 1)
    assert len(plan.used) == 2
    counts = torch.tensor(draw_used_plan(SKEWED, 0, 1).plan.classes).bincount()
    assert counts.tolist() == [36, 12, 12]


def test_a_plan_can_be_frozen_and_renamed():
    dial, plan, _, _ = planted()
    assert UsedPlan.of_record(json.loads(json.dumps(plan.as_record()))) == plan
    symmetry = draw_symmetry(shape_of(dial).config(), 7)
    prompts = draw_prompts(100, dial.d_vocab, torch.Generator().manual_seed(3))
    renamed = plan.renamed(symmetry)
    assert renamed.plan.variables(symmetry.tokens(prompts)).equal(plan.plan.variables(prompts))
    assert renamed.used == plan.used


@pytest.mark.slow
def test_a_certificate_passes_and_fails_for_another_plan():
    dial, plan, _, weights = planted("one")
    certificate = certify_used(weights, dial, plan, 1)
    assert certificate.passed, certificate.failures()
    other = UsedPlan(plan.plan, tuple({0, 1} - set(plan.used)))
    assert any(failure.startswith("used/") for failure in certify_used(weights, dial, other, 1).failures())
