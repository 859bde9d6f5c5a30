"""Reading and writing a coded variable: what is right, and what only looks right."""

from __future__ import annotations

import json
from functools import cache

import pytest
import torch

from scribe_suite.planting.symmetries import draw_symmetry
from scribe_suite.planting.variables.encoded.certificate import certify_encoding, coded_model
from scribe_suite.planting.variables.encoded.codes import CODES
from scribe_suite.planting.variables.encoded.measuring import (
    EncodingRates,
    draw_trial,
    encoding_rates,
    planted_rates,
    read_states,
)
from scribe_suite.planting.variables.encoded.network import build_encoded, shape_of
from scribe_suite.planting.variables.encoded.plans import EncodedDial, EncodedPlan, draw_encoded_plan
from scribe_suite.planting.variables.plans import draw_prompts

DIALS = {
    "alone": EncodedDial(values=2, plain=2, companion_read=False, d_vocab=48),
    "shared": EncodedDial(values=3, plain=1, companion_read=True, d_vocab=48),
}
THIRDS = (1 / 3, 1 / 3, 1 / 9)
every_model = pytest.mark.parametrize(("dial", "code"), [(dial, code) for dial in DIALS for code in CODES])


@cache
def coded(dial: str = "shared", code: str = "order"):
    plan = draw_encoded_plan(DIALS[dial], code, 1)
    return coded_model(build_encoded(DIALS[dial], plan, 2), DIALS[dial], plan, 2)


@cache
def trial(dial: str = "shared", code: str = "order", count: int = 60):
    return draw_trial(coded(dial, code), count, torch.Generator().manual_seed(0))


@every_model
def test_the_model_says_what_its_plan_says_and_the_planted_code_reads_and_writes(dial, code):
    one = coded(dial, code)
    prompts = draw_prompts(100, len(one.plan.plan.classes), torch.Generator().manual_seed(1))
    assert one.labels(prompts, one.activations(prompts)).equal(one.plan.plan.expected(prompts))
    rates = planted_rates(one, trial(dial, code))
    assert (rates.decoding, rates.interchange, rates.isolation, rates.score) == (1.0, 1.0, 1.0, 1.0)


def test_writing_nothing_moves_nothing_and_replacing_everything_is_not_isolated():
    one, asked = coded(), trial()
    perfect = read_states(one, asked.read)
    nothing = encoding_rates(one, asked, perfect, asked.before)
    assert (nothing.interchange, nothing.isolation, nothing.score) == (0.0, 1.0, 0.0)
    whole = encoding_rates(one, asked, perfect, one.activations(asked.source))
    assert (whole.interchange, whole.isolation, whole.score) == (1.0, 0.0, 0.0)


def test_an_activation_that_says_the_right_label_but_was_replaced_is_not_isolated():
    one, asked = coded(), trial()
    states = one.plan.states(asked.base)
    right = one.moved(asked.before, states, one.with_value(states, asked.wanted))
    elsewhere = one.activations(asked.source) - asked.before
    basis = torch.linalg.svd(one.points - one.points.mean(0), full_matrices=False)[2][: one.plan.code.dimensions]
    outside = elsewhere - elsewhere @ basis.T @ basis
    for share, kept in ((0.4, True), (0.6, False)):
        # noise that nothing reads is a part of what is outside; the whole of it would say another label as well
        rates = encoding_rates(one, asked, read_states(one, asked.read), right + share * outside)
        assert (rates.isolation > 0.5) == kept


def test_a_read_from_the_tokens_is_right_on_prompts_and_wrong_where_the_code_was_replaced():
    one, asked = coded(), trial()
    generator = torch.Generator().manual_seed(0)
    from_prompts = one.plan.plan.variables(asked.source)[:, 0]
    rates = encoding_rates(one, asked, from_prompts, asked.before)
    assert rates.decoding == 0.5
    assert read_states(one, asked.read).equal(asked.values)
    assert draw_trial(one, 60, generator).values.equal(asked.values)


def test_writes_that_do_not_exist_count_neither_as_moved_nor_as_kept():
    one, asked = coded(), trial()
    states = one.plan.states(asked.base)
    right = one.moved(asked.before, states, one.with_value(states, asked.wanted))
    half = torch.arange(len(right)) % 2 == 0
    rates = encoding_rates(one, asked, asked.values, right, half)
    assert (rates.decoding, rates.interchange, rates.isolation) == (1.0, 0.5, 0.5)


def test_a_score_is_the_harmonic_mean_of_what_chance_leaves():
    assert EncodingRates(1.0, 1.0, 1.0, THIRDS).score == 1.0
    assert EncodingRates(1 / 3, 1.0, 1.0, THIRDS).score == 0.0
    assert EncodingRates(1.0, 0.2, 1.0, THIRDS).score == 0.0
    assert EncodingRates(2 / 3, 1.0, 1.0, THIRDS).score == pytest.approx(3 / (2 + 1 + 1))


def test_a_plan_can_be_frozen_and_renamed():
    plan = coded().plan
    assert EncodedPlan.of_record(json.loads(json.dumps(plan.as_record()))) == plan
    symmetry = draw_symmetry(shape_of(DIALS["shared"]).config(), 7)
    prompts = draw_prompts(200, len(plan.plan.classes), torch.Generator().manual_seed(3))
    renamed = plan.renamed(symmetry)
    assert renamed.states(symmetry.tokens(prompts)).equal(plan.states(prompts))


def test_all_codes_have_models_of_one_size():
    for dial in DIALS.values():
        shapes = {str(build_encoded(dial, draw_encoded_plan(dial, code, 1), 2).config) for code in CODES[:3]}
        assert len(shapes) == 1


def test_a_certificate_passes():
    certificate = certify_encoding(coded("alone", "exclusive_or"), 1)
    assert certificate.passed, certificate.failures()
