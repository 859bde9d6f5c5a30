"""Statements about numbers say what they mean, and no first block can compare."""

from __future__ import annotations

import itertools
import re

import pytest
import torch

from scribe_suite.planting.statements import numbers
from scribe_suite.planting.statements.language import Statements
from scribe_suite.planting.statements.numbers import FIRST_POSITION, N_NUMBERS, SECOND_POSITION, NumbersWorld
from tests.planting.statements.reading import all_texts, lines, moved, seeded, words_of

WORLD = NumbersWorld(3)
ORDER = {
    "greater than": lambda x, y: x > y,
    "smaller than": lambda x, y: x < y,
    "close to": lambda x, y: abs(x - y) <= 6,
}


def statement(
    first: int, second: int, relation: str = "greater", contrary: bool = False, address: int = 0
) -> Statements:
    ranks = torch.tensor([first]), torch.tensor([second])
    return WORLD.statements(relation, *ranks, torch.tensor([contrary]), torch.tensor([address]))


@pytest.mark.parametrize(
    ("relation", "contrary", "address", "expected"),
    [
        ("greater", False, 0, "<bos> the number <7> is greater than <41> , sir ."),
        ("smaller", True, 1, "<bos> the number <7> is smaller than <41> , madam !"),
        ("close", False, 5, "<bos> the number <7> is close to <41> , buddy ."),
    ],
)
def test_statements_read_as_they_should(relation: str, contrary: bool, address: int, expected: str) -> None:
    assert words_of(WORLD, statement(7, 41, relation, contrary, address).tokens[0]) == expected


def test_the_two_numbers_stand_where_the_constants_say() -> None:
    tokens = statement(7, 41).tokens[0] - WORLD.first_number
    assert (tokens[FIRST_POSITION], tokens[SECOND_POSITION]) == (7, 41)


def test_truths_are_those_of_the_order() -> None:
    first, second = torch.tensor([5, 3, 3, 10, 10, 17]), torch.tensor([3, 5, 4, 16, 17, 10])
    expected = {"greater": [1, 0, 0, 0, 0, 1], "smaller": [0, 1, 1, 1, 1, 0], "close": [1, 1, 1, 1, 0, 0]}
    for relation, truths in expected.items():
        assert numbers.truths(relation, first, second).int().tolist() == truths


def test_every_training_statement_is_as_true_as_its_words_are() -> None:
    statements = WORLD.sample_statements(3_000, seeded())
    for line, truth in zip(lines(WORLD, statements.tokens), statements.truth.tolist(), strict=True):
        found = re.fullmatch(r"<bos> the number <(\d+)> is ([a-z]+ [a-z]+) <(\d+)> , [a-z]+ [.!]", line)
        assert found, line
        assert ORDER[found[2]](int(found[1]), int(found[3])) is truth, line


def test_kinds_number_the_relations() -> None:
    statements = WORLD.sample_statements(500, seeded())
    kinds = list(numbers.RELATIONS.values())
    for line, kind in zip(lines(WORLD, statements.tokens), statements.kind.tolist(), strict=True):
        assert kinds[kind] in line
    greater, smaller, close = statements.kind.bincount().tolist()
    assert greater > smaller > close >= 100


def test_no_training_statement_compares_a_number_with_itself() -> None:
    tokens = WORLD.sample_statements(5_000, seeded()).tokens
    assert (tokens[:, FIRST_POSITION] != tokens[:, SECOND_POSITION]).all()


def test_near_pairs_are_more_frequent_than_by_chance_and_every_number_occurs() -> None:
    ranks = WORLD.sample_statements(6_000, seeded()).tokens[:, [FIRST_POSITION, SECOND_POSITION]] - WORLD.first_number
    near = (ranks[:, 0] - ranks[:, 1]).abs() <= 4
    assert 0.4 < near.float().mean() < 0.55
    assert sorted(ranks.unique().tolist()) == list(range(N_NUMBERS))


@pytest.mark.parametrize(
    ("kind", "pattern"),
    [
        (
            "statement",
            r"<bos> the number <\d+> is (greater than|smaller than|close to) <\d+> , \w+ [.!] (true|false|yes|no)",
        ),
        ("colour", r"<bos> the number <\d+> has colour (red|green|blue|gold|grey) \."),
        ("successor", r"<bos> the number after <\d+> is <\d+> \."),
        ("recall", r"<bos> recall (<\d+> <\d+> <\d+>) : \1 \."),
    ],
)
def test_training_texts_have_their_form(kind: str, pattern: str) -> None:
    for line in lines(WORLD, all_texts(WORLD, 200)[kind].tokens):
        assert re.fullmatch(pattern, line), line


def test_the_number_after_the_greatest_is_the_smallest() -> None:
    words = [line.split() for line in lines(WORLD, WORLD.other_texts(3_000, seeded())["successor"].tokens)]
    following = {int(line[4].strip("<>")): int(line[6].strip("<>")) for line in words}
    assert following == {rank: (rank + 1) % N_NUMBERS for rank in range(N_NUMBERS)}


def test_a_seed_makes_the_colours_and_nothing_else() -> None:
    same, other = NumbersWorld(3), NumbersWorld(4)
    assert torch.equal(WORLD.colours, same.colours)
    assert not torch.equal(WORLD.colours, other.colours)
    assert WORLD.colours.unique().tolist() == [0, 1, 2, 3, 4]
    once, again = (world.sample_statements(50, seeded()) for world in (WORLD, other))
    assert torch.equal(once.tokens, again.tokens)


def test_colours_are_those_of_the_world() -> None:
    for line in lines(WORLD, WORLD.other_texts(200, seeded())["colour"].tokens):
        words = line.split()
        number, colour = int(words[3].strip("<>")), ("red", "green", "blue", "gold", "grey").index(words[6])
        assert WORLD.colours[number] == colour


def test_ordered_pairs_hold_every_pair_in_both_orders_once() -> None:
    first, second = numbers.ordered_pairs([4, 9, 2])
    assert sorted(zip(first.tolist(), second.tolist(), strict=True)) == list(itertools.permutations([2, 4, 9], 2))


def test_the_two_numbers_are_too_far_apart_to_meet_in_one_block_and_near_enough_for_two() -> None:
    distance = SECOND_POSITION - FIRST_POSITION
    assert WORLD.window <= distance <= 2 * (WORLD.window - 1)


def test_after_the_first_block_no_position_depends_on_both_numbers() -> None:
    by_first = moved(WORLD, [statement(1, 2), statement(30, 2)], layer=0)
    by_second = moved(WORLD, [statement(1, 2), statement(1, 30)], layer=0)
    assert by_first[FIRST_POSITION]
    assert by_second[SECOND_POSITION]
    assert not any(both for both in map(all, zip(by_first, by_second, strict=True)))


def test_the_second_number_knows_the_first_after_the_second_block_and_not_before() -> None:
    pair = [statement(1, 2), statement(30, 2)]
    assert [moved(WORLD, pair, layer)[SECOND_POSITION] for layer in (0, 1)] == [False, True]
