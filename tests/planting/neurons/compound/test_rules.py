"""Where rules hold, and where they nearly do."""

from __future__ import annotations

import torch

from scribe_suite.planting.neurons.compound.rules import ANYWHERE, Alternative, Condition, Rule, without

A, B, C = frozenset({1}), frozenset({2}), frozenset({3})
SIZE = 6


def values(rule, *tokens):
    return rule.values(torch.tensor([tokens]), SIZE)[0].tolist()


def test_a_condition_looks_at_its_places_and_not_before_the_text():
    text = torch.tensor([[1, 4, 1, 4, 4, 4]])
    assert Condition("a", A, (0,)).holds(text, SIZE)[0].tolist() == [True, False, True, False, False, False]
    assert Condition("a", A, (2,)).holds(text, SIZE)[0].tolist() == [False, False, True, False, True, False]
    assert Condition("a", A, (1, 2)).holds(text, SIZE)[0].tolist() == [False, True, True, True, True, False]
    negated = Condition("a", A, (1, 2), negated=True)
    assert negated.holds(text, SIZE)[0].tolist() == [True, False, False, False, False, True]


def test_a_condition_may_count_and_may_ask_about_all_of_the_text_so_far():
    text = torch.tensor([[4, 1, 1, 4, 1, 4, 4, 4]])
    two = Condition("a", A, (1, 2, 3), least=2)
    assert two.holds(text, SIZE)[0].nonzero().flatten().tolist() == [3, 4, 5]
    assert two.counted(text, SIZE)[0].tolist() == [0, 0, 1, 2, 2, 2, 1, 1]
    assert two.nearly(two.counted(text, SIZE))[0].nonzero().flatten().tolist() == [2, 6, 7]
    far = Condition("a", A, ANYWHERE)
    assert far.holds(text, SIZE)[0].tolist() == [False, *[True] * 7]
    assert Condition("a", A, ANYWHERE, negated=True).holds(text, SIZE)[0].tolist() == [True, *[False] * 7]


def test_one_token_too_few_is_a_near_miss_of_a_count_and_two_too_few_are_none():
    rule = Rule((Alternative((Condition("b", B, (0,)), Condition("a", A, (1, 2), least=2))),))
    strata = rule.strata(torch.tensor([[1, 1, 2, 4, 1, 2, 4, 4, 2]]), SIZE)
    assert strata.fires[0].tolist() == [-1, -1, 0, -1, -1, -1, -1, -1, -1]
    assert strata.near[0].tolist() == [-1, -1, -1, -1, -1, 1, -1, -1, -1]


def test_an_alternative_needs_all_conditions_and_alternatives_add_up():
    both = Alternative((Condition("a", A, (0,)), Condition("b", B, (1,))))
    other = Alternative((Condition("a", A, (0,)),), 0.5)
    assert values(Rule((both,)), 1, 2, 1, 1) == [0.0, 0.0, 1.0, 0.0]
    assert values(Rule((both, other)), 1, 2, 1, 3) == [0.5, 0.0, 1.5, 0.0]


def test_strata_name_the_alternative_that_holds_and_the_condition_that_alone_is_missing():
    rule = Rule(
        (
            Alternative((Condition("a", A, (0,)), Condition("b", B, (1,)))),
            Alternative((Condition("c", C, (0,)), Condition("c", C, (1,), negated=True)), 0.5),
        )
    )
    strata = rule.strata(torch.tensor([[4, 2, 1, 1, 3, 3, 2]]), SIZE)
    # nothing; b or its a is missing everywhere else where only one of two conditions holds
    assert strata.fires[0].tolist() == [-1, -1, 0, -1, 1, -1, -1]
    assert strata.near[0].tolist() == [2, 2, -1, 1, -1, 3, -1]


def test_what_fires_is_no_near_miss_of_another_alternative():
    rule = Rule(
        (Alternative((Condition("a", A, (0,)), Condition("b", B, (1,)))), Alternative((Condition("a", A, (0,)),)))
    )
    strata = rule.strata(torch.tensor([[1, 4]]), SIZE)
    assert strata.fires[0].tolist() == [1, -1]
    assert strata.near[0].tolist() == [-1, 2]


def test_without_a_condition_an_alternative_asks_for_less_and_with_none_left_it_is_gone():
    first, second = Condition("a", A, (0,)), Condition("b", B, (1,))
    rule = Rule((Alternative((first, second)), Alternative((second,), 0.5)))
    assert without(rule, 1).alternatives == (Alternative((first,)), Alternative((second,), 0.5))
    assert without(rule, 2).alternatives == (Alternative((first, second)),)
    assert values(Rule(()), 1, 2) == [0.0, 0.0]


def test_a_description_says_what_and_where():
    rule = Rule((Alternative((Condition("a", A, (0,)), Condition("b", B, (1, 2), negated=True)), 0.6),))
    assert rule.described() == "0.6 * (a at 0 and no b at -1 or -2)"
    rule = Rule((Alternative((Condition("a", A, ANYWHERE), Condition("b", B, (1, 2), least=2))),))
    assert rule.described() == "1 * (a so far and 2 times b at -1 or -2)"
