"""The pools that instances of neurons/explain draw from are what their script makes, and instances are made fast."""

from __future__ import annotations

import json
import random
import time
from itertools import islice

import pytest
import torch

from ground_truth.neurons.explain import Explain
from ground_truth.neurons.explained.levels import FORMS
from ground_truth.neurons.explained.pools import RULES, drawn_rule, drawn_texts, record_of, rule_of
from ground_truth.neurons.explained.pools_build import N_RULES, N_TEXTS, SAME_COUNTED, rules_of
from scribe_suite.planting.english import sample_text
from scribe_suite.planting.neurons.compound.drawing import FIRES, NEAR
from scribe_suite.planting.neurons.survey import CONTEXT

POOLED = json.loads(RULES.read_text())
ASKED = sorted({form for asked in FORMS.values() for some in asked for form in some})
every_form = pytest.mark.parametrize("form", ASKED)
#: Median time of an instance, in seconds of this process: 0.1 on an idle machine, and twice that on a busy one.
SECONDS = 0.2


def test_there_are_rules_of_every_form_that_a_level_asks_for_and_none_twice():
    assert {form: len(rules) for form, rules in POOLED.items()} == dict.fromkeys(ASKED, N_RULES)
    assert all(len({json.dumps(rule) for rule in rules}) == N_RULES for rules in POOLED.values())


@every_form
def test_the_first_rules_are_those_that_the_script_draws(form):
    assert [record_of(rule) for rule in islice(rules_of(form), 2)] == POOLED[form][:2]
    assert record_of(rule_of(POOLED[form][0])) == POOLED[form][0]


@every_form
def test_rules_are_drawn_by_seed_and_differ(form):
    assert drawn_rule(form, random.Random(3)) == drawn_rule(form, random.Random(3))
    assert len({drawn_rule(form, random.Random(seed)).described() for seed in range(8)}) > 5


@pytest.mark.slow
@every_form
def test_on_other_text_every_rule_fires_and_every_condition_is_missed(form):
    tokens = sample_text(78, 1000, CONTEXT).tokens
    size = int(tokens.max()) + 2000
    for record in POOLED[form][::5]:
        rule = rule_of(record)
        strata = rule.strata(tokens, size)
        for number in range(len(rule.alternatives)):
            assert FIRES[0] / 2 < (strata.fires == number).float().mean() < 2 * FIRES[1], rule.described()
        for number in range(len(rule.conditions)):
            assert (strata.near == number).float().mean() > NEAR / 3, (rule.described(), number)


def test_few_rules_count_the_same_set_of_tokens():
    for form, rules in POOLED.items():
        names = [
            condition[0] for rule in rules for _, conditions in rule for condition in conditions if condition[3] > 1
        ]
        assert all(names.count(name) <= SAME_COUNTED for name in names), form


def test_texts_are_of_the_pool_and_none_twice():
    some, again, other = (drawn_texts(1000, random.Random(seed)) for seed in (1, 1, 2))
    assert some.tokens.equal(again.tokens)
    assert not some.tokens.equal(other.tokens)
    assert (some.tokens.shape, some.tags.shape) == ((1000, CONTEXT), (1000, CONTEXT))
    rows = list(map(tuple, drawn_texts(N_TEXTS, random.Random(0)).tokens.tolist()))
    assert len(set(rows)) > 0.99 * N_TEXTS


@pytest.mark.parametrize("level", FORMS)
def test_an_instance_is_made_in_a_tenth_of_a_second(level):
    torch.set_num_threads(1)
    task, times = Explain(level), []
    task.instance(0)
    for seed in range(1, 8):
        start = time.process_time()
        task.instance(seed)
        times.append(time.process_time() - start)
    assert sorted(times)[len(times) // 2] < SECONDS
