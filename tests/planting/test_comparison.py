"""The language of numbers says what it means, and training on it works and repeats itself."""

from __future__ import annotations

import itertools
import re

import pytest
import torch

from scribe_suite.planting import comparison
from scribe_suite.planting.hooked import build_model, untrained_twin

torch.set_num_threads(1)


def words_of(tokens):
    names = [*comparison.WORDS, *(str(rank) for rank in range(comparison.N_NUMBERS))]
    return " ".join(names[token] for token in tokens.tolist())


def statement(first, second, relation=0, contrary=False):
    return comparison.statement_tokens(
        torch.tensor([first]), torch.tensor([second]), torch.tensor([relation]), torch.tensor([contrary])
    )[0]


@pytest.mark.parametrize(
    ("relation", "contrary", "expected"),
    [
        (0, False, "<bos> the number 7 is greater than 41 ."),
        (1, True, "<bos> the number 7 is smaller than 41 !"),
        (2, False, "<bos> the number 7 is close to 41 ."),
    ],
)
def test_statements_read_as_they_should(relation, contrary, expected):
    tokens = statement(7, 41, relation, contrary)
    assert words_of(tokens) == expected
    assert len(tokens) == comparison.STATEMENT_LENGTH


def test_truths_are_those_of_the_order():
    first, second = torch.tensor([5, 3, 3, 10, 10]), torch.tensor([3, 5, 4, 16, 17])
    for relation, expected in enumerate([[1, 0, 0, 0, 0], [0, 1, 1, 1, 1], [1, 1, 1, 1, 0]]):
        found = comparison.truths(first, second, torch.full_like(first, relation))
        assert found.int().tolist() == expected


@pytest.mark.parametrize(("truth", "contrary"), list(itertools.product([True, False], repeat=2)))
def test_the_verdict_is_the_truth_after_a_full_stop_and_the_opposite_otherwise(truth, contrary):
    token = comparison.verdict_tokens(torch.tensor([truth]), torch.tensor([contrary]))
    assert words_of(token) == ("true" if truth != contrary else "false")


def test_ordered_pairs_hold_every_pair_in_both_orders_once():
    first, second = comparison.ordered_pairs([4, 9, 2])
    assert sorted(zip(first.tolist(), second.tolist(), strict=True)) == list(itertools.permutations([2, 4, 9], 2))


def texts(kind, size=400):
    generator = torch.Generator().manual_seed(1)
    return {
        "comparison": lambda: comparison.comparison_texts(size, generator),
        "colour": lambda: comparison.colour_texts(size, generator, comparison.draw_colours(0)),
        "successor": lambda: comparison.successor_texts(size, generator),
        "recall": lambda: comparison.recall_texts(size, generator),
    }[kind]()


@pytest.mark.parametrize("kind", ["comparison", "colour", "successor", "recall"])
def test_what_is_marked_as_determined_follows_from_what_stands_before(kind):
    drawn = texts(kind, size=4000)
    seen = {}
    for tokens, determined in zip(drawn.tokens.tolist(), drawn.determined.tolist(), strict=True):
        for position, follows in enumerate(determined):
            if follows:
                before = tuple(tokens[: position + 1])
                assert seen.setdefault(before, tokens[position + 1]) == tokens[position + 1]
    assert seen


@pytest.mark.parametrize(
    ("kind", "pattern"),
    [
        ("colour", r"<bos> the number \d+ has colour (red|green|blue|gold|grey) \.( <pad>)+"),
        ("successor", r"<bos> the number after \d+ is \d+ \.( <pad>)+"),
        ("recall", r"<bos> recall (\d+ \d+ \d+) : \1 \."),
        ("comparison", r"<bos> the number \d+ is (greater than|smaller than|close to) \d+ [.!] (true|false)"),
    ],
)
def test_training_texts_have_their_form(kind, pattern):
    for tokens in texts(kind).tokens:
        assert re.fullmatch(pattern, words_of(tokens)), words_of(tokens)


def test_the_number_after_the_greatest_is_the_smallest():
    following = {}
    for tokens in texts("successor", size=3000).tokens:
        words = words_of(tokens).split()
        following[int(words[4])] = int(words[6])
    assert following == {rank: (rank + 1) % comparison.N_NUMBERS for rank in range(comparison.N_NUMBERS)}


def test_no_text_compares_a_number_with_itself():
    tokens = texts("comparison", size=5000).tokens
    assert (tokens[:, 3] != tokens[:, 7]).all()


@torch.no_grad()
def test_after_the_first_block_no_position_depends_on_both_numbers():
    model = untrained_twin(comparison.comparison_config(), 0)
    base, other_first, other_second = (
        model.run_with_cache(statement(*pair)[None])[1]["resid_post", 0][0] for pair in ((1, 2), (30, 2), (1, 30))
    )
    moved_by_first = (base - other_first).abs().amax(-1) > 1e-6
    moved_by_second = (base - other_second).abs().amax(-1) > 1e-6
    assert moved_by_first.any()
    assert moved_by_second.any()
    assert not (moved_by_first & moved_by_second).any()


def test_training_learns_and_reports():
    lines = []
    once = comparison.train_comparison_model(3, 100, lambda done, line: lines.append((done, line)))
    assert lines[-1][0] == 1.0
    generator = torch.Generator().manual_seed(0)
    recall = comparison.recall_texts(200, generator)
    untrained = untrained_twin(once.config, 3)
    assert comparison.determined_accuracy(build_model(once), recall) > comparison.determined_accuracy(untrained, recall)
    assert comparison.verdict_accuracy(untrained, "smaller") < 0.6


def test_the_same_seed_trains_the_same_model():
    once, again, other = (comparison.train_comparison_model(seed, 5) for seed in (3, 3, 4))
    assert all(torch.equal(once.state[name], again.state[name]) for name in once.state)
    assert not torch.equal(once.state["embed.W_E"], other.state["embed.W_E"])
