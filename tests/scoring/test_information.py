"""How many experiments can be enough, on cases that can be counted."""

import itertools
import math

import pytest

from scribe_suite.scoring.information import bits_of_set, least_uses
from scribe_suite.scoring.sets import f1


@pytest.mark.parametrize(
    ("universe", "size", "least"), [(6, 2, 0.8), (6, 3, 0.8), (6, 3, 0.85), (7, 1, 0.5), (5, 5, 0.9)]
)
def test_no_fixed_answer_is_good_for_more_sets_than_that(universe, size, least):
    elements = [str(number) for number in range(universe)]
    keys = [frozenset(key) for key in itertools.combinations(elements, size)]
    answers = (frozenset(one) for n in range(1, universe + 1) for one in itertools.combinations(elements, n))
    good = max(sum(f1(answer, key) >= least for key in keys) for answer in answers)
    assert bits_of_set(universe, size, least) == pytest.approx(math.log2(len(keys) / good))


def test_a_set_that_must_be_right_takes_all_its_bits():
    assert bits_of_set(25, 3, 1.0) == pytest.approx(math.log2(2300))


@pytest.mark.parametrize(("universe", "size"), [(3, 4), (3, 0)])
def test_a_set_that_is_none_is_refused(universe, size):
    with pytest.raises(ValueError, match="no set of"):
        bits_of_set(universe, size, 0.8)


def test_uses_are_whole_and_a_lucky_guess_is_taken_off():
    assert least_uses(10, 1) == 8
    assert least_uses(10, 2.7) == 3
    assert least_uses(1, 5) == 0
