"""A statement's frame, and what the model says to it: the truth after a full stop, the opposite after a mark."""

from __future__ import annotations

import itertools

import pytest
import torch

from scribe_suite.planting.statements import language
from scribe_suite.planting.statements.language import ADDRESSES, COMMON_WORDS, FRAME, Statements
from tests.planting.statements.reading import seeded

CONTENT = torch.tensor([[30, 31], [32, 33], [34, 35]])


def words(tokens: torch.Tensor) -> list[str]:
    return [COMMON_WORDS[token] if token < len(COMMON_WORDS) else str(token) for token in tokens.tolist()]


def one(truth: bool, contrary: bool, address: str) -> Statements:
    spoken_to = torch.tensor([ADDRESSES.index(address)])
    return language.frame(CONTENT[:1], torch.tensor([truth]), torch.tensor([contrary]), spoken_to)


def three() -> Statements:
    truth, contrary = torch.tensor([True, False, True]), torch.tensor([False, True, True])
    return language.frame(CONTENT, truth, contrary, torch.tensor([0, 3, 5]), kind=2)


@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize(("contrary", "ending"), [(False, "."), (True, "!")])
def test_content_stands_between_the_beginning_and_address_and_ending(contrary: bool, ending: str, address: str) -> None:
    statement = one(True, contrary, address)
    assert words(statement.tokens[0]) == ["<bos>", "30", "31", ",", address, ending]
    assert statement.tokens.shape[1] == CONTENT.shape[1] + FRAME


@pytest.mark.parametrize(
    ("truth", "ending", "address", "verdict"),
    [
        (True, ".", "sir", "true"),
        (False, ".", "madam", "false"),
        (True, "!", "doctor", "false"),
        (False, "!", "sir", "true"),
        (True, ".", "pal", "yes"),
        (False, ".", "mate", "no"),
        (True, "!", "buddy", "no"),
        (False, "!", "pal", "yes"),
    ],
)
def test_the_verdict_tells_the_truth_or_its_opposite_in_the_words_of_the_address(
    truth: bool, ending: str, address: str, verdict: str
) -> None:
    assert words(one(truth, ending == "!", address).verdicts()) == [verdict]


def test_verdicts_are_balanced_whatever_is_known_of_one_of_truth_ending_and_address() -> None:
    manners = list(itertools.product([True, False], [True, False], ADDRESSES))
    verdicts = {manner: words(one(*manner).verdicts())[0] for manner in manners}
    for part in range(2):
        for value in (True, False):
            agreeing = [verdict in ("true", "yes") for manner, verdict in verdicts.items() if manner[part] is value]
            assert sum(agreeing) == len(agreeing) / 2


def test_half_of_the_addresses_are_familiar() -> None:
    assert [word for word in ADDRESSES if one(True, False, word).familiar.item()] == ["pal", "mate", "buddy"]


def test_every_row_of_many_statements_keeps_what_belongs_to_it() -> None:
    statements = three()
    assert [words(row)[1:] for row in statements.tokens] == [
        ["30", "31", ",", "sir", "."],
        ["32", "33", ",", "pal", "!"],
        ["34", "35", ",", "buddy", "!"],
    ]
    assert words(statements.verdicts()) == ["true", "yes", "no"]
    assert statements.kind.tolist() == [2, 2, 2]


@pytest.mark.parametrize(
    "rows", [slice(1, 3), torch.tensor([1, 2]), torch.tensor([False, True, True])], ids=["slice", "indices", "mask"]
)
def test_chosen_statements_keep_all_their_attributes(rows: slice | torch.Tensor) -> None:
    chosen = three()[rows]
    assert words(chosen.verdicts()) == ["yes", "no"]
    assert chosen.tokens[:, 1].tolist() == [32, 34]
    assert (chosen.truth.tolist(), chosen.contrary.tolist()) == ([False, True], [True, True])
    assert (chosen.address.tolist(), chosen.kind.tolist()) == ([3, 5], [2, 2])


def test_joined_statements_follow_one_another() -> None:
    both = Statements.joined([three(), one(False, False, "mate")])
    assert both.truth.tolist() == [True, False, True, False]
    assert both.kind.tolist() == [2, 2, 2, 0]
    assert words(both.verdicts()) == ["true", "yes", "no", "no"]


def test_only_the_verdict_of_a_statement_is_determined() -> None:
    texts = language.with_verdicts(three(), 9)
    assert [words(row)[6:] for row in texts.tokens] == [
        [verdict, "<pad>", "<pad>"] for verdict in ("true", "yes", "no")
    ]
    assert texts.determined.shape == (3, 8)
    assert texts.determined.nonzero().tolist() == [[0, 5], [1, 5], [2, 5]]


def test_answers_are_marked_where_the_model_says_them() -> None:
    texts = language.padded(CONTENT, [1], 4)
    assert words(texts.tokens[0]) == ["30", "31", "<pad>", "<pad>"]
    # what is said at a position is the next token
    assert texts.determined.tolist() == [[True, False, False]] * 3


def test_joined_texts_follow_one_another() -> None:
    first, second = language.padded(CONTENT, [1], 4), language.padded(CONTENT + 10, [], 4)
    both = language.joined([first, second])
    assert both.tokens[:, 0].tolist() == [30, 32, 34, 40, 42, 44]
    assert both.determined.sum(1).tolist() == [1, 1, 1, 0, 0, 0]


def test_all_manners_are_equally_likely_and_endings_tell_nothing_of_addresses() -> None:
    contrary, address = language.draw_manner(12_000, seeded())
    shares = torch.bincount(2 * address + contrary, minlength=12) / 12_000
    assert (shares - 1 / 12).abs().max() < 0.012


def test_common_words_are_different_words() -> None:
    assert len(set(COMMON_WORDS)) == len(COMMON_WORDS)
