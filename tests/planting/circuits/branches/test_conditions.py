"""Conditions hold where their tokens stand in order and at their distances, and nowhere else."""

from __future__ import annotations

import itertools
import json

import pytest
import torch

from scribe_suite.planting.circuits.branches.conditions import Condition, Pair, source_of

#: 7 or 8, then two places later 9; the pair ends with the 9.
EARLIER = Pair((7, 8), (9,), 2)
LATER = Pair((3,), (4,), 1)
ANY = Condition(EARLIER, LATER, 0)
FIVE = Condition(EARLIER, LATER, 5)
N_CTX = 10


def holds(condition: Condition, *tokens: int) -> bool:
    row = [0, *tokens, *[1] * (N_CTX - 1 - len(tokens))]
    space: dict = {"ordinary": lambda _: -1}
    exec(source_of(condition, 2), space)
    found = bool(condition.holds(torch.tensor([row])))
    assert (space["predict"](row) == 2) == found, "the code says what the condition says"
    return found


def test_two_pairs_must_stand_in_order_at_their_distances():
    assert holds(ANY, 7, 1, 9, 3, 4)
    assert holds(ANY, 8, 1, 9, 1, 1, 3, 4)
    assert holds(ANY, 7, 3, 9, 4) is False  # 3 and 4 are not side by side
    assert holds(ANY, 7, 9, 1, 3, 4) is False
    assert holds(ANY, 3, 4, 7, 1, 9) is False
    assert holds(ANY, 9, 1, 7, 3, 4) is False
    assert holds(ANY, 7, 1, 9, 3) is False
    assert holds(ANY, 7, 1, 3, 9, 3, 4) is False


def test_pairs_may_overlap_and_what_counts_is_where_they_end():
    assert holds(Condition(Pair((7,), (9,), 3), Pair((3,), (4,), 2), 0), 7, 1, 3, 9, 4)
    assert holds(Condition(Pair((7,), (9,), 3), Pair((3,), (4,), 1), 0), 7, 3, 4, 9) is False


def test_a_gap_is_exact():
    assert holds(FIVE, 7, 1, 9, 1, 1, 1, 3, 4)
    assert holds(FIVE, 7, 1, 9, 1, 1, 3, 4) is False
    assert holds(FIVE, 7, 1, 9, 3, 4) is False


def test_the_first_place_belongs_to_no_condition():
    row = torch.tensor([[7, 1, 9, 3, 4, 1, 1, 1, 1, 1]])
    assert ANY.holds(row).item()  # a prompt that does not start with the start is none
    assert min(itertools.chain(*ANY.placements(N_CTX))) == 1


@pytest.mark.parametrize("condition", [ANY, FIVE])
def test_placements_are_all_places_at_which_it_holds(condition):
    placements = condition.placements(N_CTX)
    assert len(set(placements)) == len(placements)
    first, last, third, fourth = (tokens[0] for tokens in condition.tokens.values())
    for place in itertools.permutations(range(1, N_CTX), 4):
        row = torch.ones(1, N_CTX, dtype=torch.long)
        row[0, list(place)] = torch.tensor([first, last, third, fourth])
        assert condition.holds(row).item() == (place in set(placements))


def test_the_probability_is_that_of_random_prompts():
    condition = Condition(Pair((1, 2), (3,), 1), Pair((4,), (5,), 1), 0)
    prompts = torch.randint(6, (200_000, N_CTX), generator=torch.Generator().manual_seed(0))
    prompts[:, 0] = 0
    share = condition.holds(prompts).float().mean().item()
    expected = condition.probability(N_CTX, 6)
    assert 0.85 * expected < share <= 1.02 * expected  # a prompt that meets it twice counts once


def test_what_asks_for_no_token_or_for_two_in_one_place_is_never_met():
    assert ANY.is_met(N_CTX, 10)
    assert not ANY.is_met(N_CTX, 9)  # 9 is no token then
    clash = Condition(Pair((7,), (9,), 2), Pair((3,), (4,), 2), 2)  # 9 and 3 in one place
    assert not clash.is_met(N_CTX, 10)
    assert clash.probability(N_CTX, 10) == 0
    assert list(clash.places(N_CTX))


def test_a_record_gives_the_condition_back():
    assert Condition.of_record(json.loads(json.dumps(FIVE.as_record()))) == FIVE
