"""Trees are drawn evenly, plans survive JSON and symmetries, and built networks compute what their plans say."""

from __future__ import annotations

import json
import random
from collections import Counter
from itertools import combinations

import pytest
import torch

from ground_truth.circuits.planted.draws import symmetry_of
from ground_truth.variables.algorithms.levels import LEVELS
from scribe_suite.planting.frozen import round_to_half
from scribe_suite.planting.symmetries import apply_symmetry
from scribe_suite.planting.variables.plans import draw_prompts
from scribe_suite.planting.variables.sum_certificate import certify_sums, smallest
from scribe_suite.planting.variables.sum_exchange import HeadExchange
from scribe_suite.planting.variables.sum_network import build_sum_network
from scribe_suite.planting.variables.sums import SumPlan, draw_sum_plan, draw_tree, used_sums

every_level = pytest.mark.parametrize("level", LEVELS)


@pytest.mark.parametrize(("terms", "trees"), [(2, 1), (3, 3), (4, 15), (5, 105)])
def test_all_binary_trees_are_drawn_equally_often(terms, trees):
    rng, each = random.Random(1), 60
    counts = Counter(tuple(draw_tree(range(terms), rng)) for _ in range(each * trees))
    assert len(counts) == trees
    assert sum((count - each) ** 2 / each for count in counts.values()) < 2 * trees + 10


def test_a_tree_adds_two_disjoint_parts_at_a_time():
    for seed in range(30):
        tree = draw_tree(range(5), random.Random(seed))
        assert (0, 1, 2, 3, 4) in tree
        for of, (left, right) in tree.items():
            assert not set(left) & set(right)
            assert tuple(sorted(left + right)) == of
        assert len(used_sums(tree, (0, 1, 2, 3, 4))) == 3


@every_level
def test_a_plan_survives_json_and_the_same_seed_gives_the_same(level):
    plan = draw_sum_plan(LEVELS[level], 4)
    assert SumPlan.of_record(json.loads(json.dumps(plan.as_record()))) == plan
    assert draw_sum_plan(LEVELS[level], 4) == plan != draw_sum_plan(LEVELS[level], 5)


@every_level
def test_terms_are_uniform_and_sums_of_some_tell_nothing_about_the_label(level):
    dial = LEVELS[level]
    plan = draw_sum_plan(dial, 0)
    prompts = draw_prompts(10_000, dial.d_vocab, torch.Generator().manual_seed(0))
    labels, terms = plan.expected(prompts), plan.terms(prompts)
    for some in combinations(range(dial.terms), dial.terms - 1):
        sums = terms[:, list(some)].sum(1) % dial.values
        shares = torch.stack([torch.bincount(labels[sums == value], minlength=dial.values) for value in range(4)])
        assert (shares / shares.sum(1, keepdim=True) - 1 / dial.values).abs().max() < 0.05


@every_level
def test_a_network_computes_its_plan_under_any_symmetry(level):
    dial, seed = LEVELS[level], 7
    plan = draw_sum_plan(dial, seed)
    weights = round_to_half(build_sum_network(dial, plan, seed))
    assert certify_sums(weights, dial, plan, 1).passed
    symmetry = symmetry_of("variables/algorithm", weights.config, seed)
    renamed, turned = plan.renamed(symmetry), apply_symmetry(weights, symmetry)
    base, source = (draw_prompts(100, dial.d_vocab, torch.Generator().manual_seed(n)) for n in (1, 2))
    exchange = HeadExchange(turned, base, source)
    assert exchange.labels([]).equal(renamed.expected(base))
    for of in plan.parts:
        if of != plan.total:
            after, heads = exchange.labels(renamed.heads(of)), renamed.heads(of)
            assert after.equal(renamed.expected(base, source, of if of in plan.used else ()))
            fewer = exchange.labels(heads[: smallest(dial) - 1])
            assert fewer.equal(renamed.expected(base))


def test_a_certificate_notices_a_sum_that_is_not_where_the_plan_says():
    dial = LEVELS[1]
    plan, other = draw_sum_plan(dial, 1), draw_sum_plan(dial, 3)
    weights = build_sum_network(dial, plan, 1)
    moved = SumPlan.of_record({**plan.as_record(), "parts": other.as_record()["parts"]})
    failed = {
        check.name.partition("/")[0] for check in certify_sums(weights, dial, moved, 1).checks if not check.passed
    }
    assert {"exchanged", "unused"} <= failed
