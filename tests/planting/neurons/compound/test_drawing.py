"""Drawn rules: the same for the same seed, and such that every condition counts and no list of tokens is enough."""

from __future__ import annotations

import random

import pytest

from scribe_suite.planting.english import sample_text, vocabulary
from scribe_suite.planting.neurons.compound.drawing import FORMS, LARGEST_LIST, draw_rule, judged
from scribe_suite.planting.neurons.compound.rules import Rule, without
from scribe_suite.planting.neurons.compound.token_lists import best_list
from scribe_suite.planting.neurons.compound.writing import REACH
from scribe_suite.planting.neurons.correlation import weighted_correlation

every_form = pytest.mark.parametrize("form", FORMS)


@pytest.fixture(scope="module")
def rules() -> dict[str, Rule]:
    return {form: draw_rule(form, random.Random(5)) for form in FORMS}


def test_the_same_seed_gives_the_same_rule_and_another_seed_another(rules):
    assert draw_rule("exception", random.Random(5)) == rules["exception"]
    assert draw_rule("exception", random.Random(6)) != rules["exception"]


@every_form
def test_a_rule_has_its_form_and_looks_no_further_than_heads_do(rules, form):
    rule = rules[form]
    assert [len(one.conditions) for one in rule.alternatives] == [len(blanks) for blanks in FORMS[form]]
    for one, blanks in zip(rule.alternatives, FORMS[form], strict=True):
        assert [each.negated for each in one.conditions] == [blank.negated for blank in blanks]
        assert [each.least for each in one.conditions] == [blank.least for blank in blanks]
        assert max(place for each in one.conditions for place in each.places) <= REACH
        assert all(each.places in blank.places for each, blank in zip(one.conditions, blanks, strict=True))
    strengths = [one.strength for one in rule.alternatives]
    assert strengths == sorted(strengths, reverse=True)


@every_form
def test_on_other_text_every_condition_counts_and_lists_fall_short(rules, form):
    rule, tokens = rules[form], sample_text(77, 600, 64).tokens
    right = judged(rule, tokens)
    for dropped in range(len(rule.conditions)):
        less = without(rule, dropped).values(tokens, len(vocabulary())).reshape(-1).double().numpy()
        assert weighted_correlation(less, right.activations, right.weights) < 0.95, rule.described()
    half = judged(rule, tokens[:300])
    assert best_list(half, judged(rule, tokens[300:]), REACH) < LARGEST_LIST + 0.08
