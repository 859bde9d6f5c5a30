"""A written model with its autoencoder: plans fit, names change together, and the best set is the best."""

from __future__ import annotations

import itertools
from dataclasses import replace
from functools import cache

import pytest
import torch

from scribe_suite.planting.saes.ablation import ablations_of
from scribe_suite.planting.saes.best import GroupEffects, measure_groups
from scribe_suite.planting.saes.certificate import certify_sparse_model
from scribe_suite.planting.saes.network import build_sparse_model
from scribe_suite.planting.saes.plans import CHANNELS, GATES, Part, SaeDial, draw_sae_plan
from scribe_suite.planting.saes.prompts import balanced_prompts
from scribe_suite.planting.symmetries import draw_symmetry

DIAL = SaeDial(
    per_gate=6,
    chosen=5,
    d_vocab=24,
    parts=(
        Part("linear", 3, 0.5, 1.0, quiet=True),
        Part("flipped", 2, 0.5, 1.0),
        Part("hat", 3, 4.0, 6.0),
        Part("any", 2, 3.0, 4.0, members=3),
        Part("every", 2, 1.0, 2.0, members=3),
        Part("opposed", 2, 1.0, 2.0, members=2),
    ),
)


@pytest.fixture(autouse=True, scope="module")
def _one_thread():
    torch.set_num_threads(1)


@cache
def written(seed: int = 0):
    return build_sparse_model(DIAL, draw_sae_plan(DIAL, seed), seed)


@cache
def measured():
    tokens = balanced_prompts(240, DIAL.d_vocab, torch.Generator().manual_seed(2))
    ablations = ablations_of(written(), tokens)
    return tokens, ablations, measure_groups(written(), ablations, tokens)


def test_a_plan_has_all_groups_and_as_many_features_for_each_gate():
    plan = draw_sae_plan(DIAL, 1)
    assert plan == draw_sae_plan(DIAL, 1) != draw_sae_plan(DIAL, 2)
    assert len(plan.groups) == sum(part.groups for part in DIAL.parts)
    members = [member for group in plan.groups for member in group.members]
    assert len(members) == len({*members})
    gates = [(feature.slot, feature.gate) for feature in plan.features]
    assert {gates.count(gate) for gate in gates} == {DIAL.per_gate}
    for group in plan.groups:
        assert {gates[member] for member in group.members} == {(group.slot, group.gate)}
    # groups that add to the same number are never active together
    for one, other in itertools.combinations(plan.groups, 2):
        assert one.output != other.output or (one.slot == other.slot and one.gate != other.gate)


def test_groups_that_do_not_fit_are_refused():
    many = replace(DIAL, parts=(Part("linear", GATES * CHANNELS + 1, 1.0, 2.0),))
    with pytest.raises(ValueError, match="do not fit into"):
        draw_sae_plan(many, 0)


def test_a_changed_model_has_the_same_outputs_and_latents_under_other_names():
    model, tokens = written(), balanced_prompts(48, DIAL.d_vocab, torch.Generator().manual_seed(4))
    symmetry = draw_symmetry(model.weights.config, 7, labels="independent")
    order = torch.randperm(DIAL.n_latents, generator=torch.Generator().manual_seed(5)).tolist()
    other = model.changed(symmetry, order)
    here, there = ablations_of(model, tokens), ablations_of(other, symmetry.tokens(tokens))
    assert torch.allclose(there.latents, here.latents[:, order], atol=1e-3)
    assert torch.allclose(there.clean @ other.outputs.T, here.clean @ model.outputs.T, atol=1e-3)
    for old, new in zip(model.plan.groups, other.plan.groups, strict=True):
        assert [order[member] for member in new.members] == list(old.members)
        assert other.plan.is_open(new, symmetry.tokens(tokens)).equal(model.plan.is_open(old, tokens))
        assert there.effect(new.members) == pytest.approx(here.effect(old.members), abs=1e-3)


def test_latents_are_active_exactly_where_their_gate_is_open_and_have_unit_directions():
    tokens, ablations, _ = measured()
    classes, plan = written().plan.class_of_slots(tokens), written().plan
    is_open = torch.stack([classes[:, one.slot] == one.gate for one in plan.features], 1)
    read = [member for group in plan.groups for member in group.members]
    assert (ablations.latents > 0)[:, read].equal(is_open[:, read])
    assert written().sae.W_dec.norm(dim=1) == pytest.approx(1.0, abs=1e-5)


def test_zeroing_nothing_changes_nothing_and_the_order_of_latents_does_not_matter():
    _, ablations, _ = measured()
    assert ablations.effect([]) == 0
    assert ablations.effect([5, 3, 5]) == ablations.effect([3, 5]) >= 0


def test_what_is_zeroed_is_what_latents_decode_to():
    model, (_, ablations, _) = written(), measured()
    some = list(model.plan.groups[0].members)
    added = ablations.latents[:, some] @ model.sae.W_dec[some]
    assert torch.allclose(
        model.sae.decode(ablations.latents) - added,
        model.sae.decode(ablations.latents.index_fill(1, torch.tensor(some), 0.0)),
        atol=1e-4,
    )


def test_the_best_set_is_the_best_of_all_sets():
    effects = GroupEffects(
        6,
        [
            {frozenset([0]): 0.1, frozenset([1]): 0.0, frozenset([0, 1]): 3.0},
            {frozenset([2]): 1.0, frozenset([3]): 1.2, frozenset([2, 3]): 0.1},
            {frozenset([4]): 0.9},
        ],
    )
    for count in range(1, 7):
        every = {some: effects.effect(some) for some in itertools.combinations(range(6), count)}
        best, effect = effects.best(count)
        assert effect == max(max(every.values()), effects.best(count - 1)[1]) == effects.effect(best)
        assert effects.mean(count) == pytest.approx(sum(every.values()) / len(every))


@pytest.mark.parametrize("seed", [0, 1])
def test_a_model_passes_its_certificate(seed):
    certificate = certify_sparse_model(written(seed), DIAL, seed)
    assert [check.name for check in certificate.checks] == ["sum", "unread", "exchange", "explained"]
    failed = [check for check in certificate.checks if check.name != "explained" and not check.passed]
    assert failed == []


def test_a_certificate_fails_where_groups_share_an_output():
    model = written()
    first, second = (next(one for one in model.plan.groups if one.kind == kind) for kind in ("any", "every"))
    merged = replace(
        model.plan,
        groups=tuple(
            replace(one, kind=first.kind, members=one.members[:1]) if one is second else one
            for one in model.plan.groups
        ),
    )
    # a latent is said to belong to no group, although it is read
    certificate = certify_sparse_model(replace(model, plan=merged), DIAL, 0)
    assert not certificate.passed
