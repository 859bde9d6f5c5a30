"""Numbers are found in whatever an output looks like, and match within the precision in which they are written."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scribe_suite.claims.numbers import (
    MAX_NUMBERS,
    NumberTable,
    find_numbers,
    number_of,
    traceable_numbers,
    typed_values,
)

FINITE = st.floats(min_value=-1e12, max_value=1e12, allow_nan=False)


def values(text):
    return [number.value for number in find_numbers(text)]


def matches(claimed, output):
    """Which numbers of an output stand for a claimed number, given as a text or as JSON has it."""
    (number,) = [find_numbers(claimed)[0]] if isinstance(claimed, str) else [number_of(claimed)]
    return NumberTable(find_numbers(output)).matches(number).tolist()


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("accuracy: 0.9512, loss=-.5", [0.9512, -0.5]),
        ("tensor([0.9512, 1.0000e-03, -2.])", [0.9512, 0.001, -2]),
        ("[[ 0.12 -0.34]\n [1. 2.]]", [0.12, -0.34, 1, 2]),
        ("1,234,567 of 1,234.50", [1234567, 1234.5]),
        ("1,2345", [1, 2345]),
        ("95 % or 95.1%", [95, 95.1]),
        ("\N{MINUS SIGN}0.3 +0.4 1E+5", [-0.3, 0.4, 1e5]),
        ("0.1-0.2", [0.1, 0.2]),
        ("x=-3, (-4)", [-3, -4]),
        ("12ms 2.5x", [12, 2.5]),
        ("183/200", [183, 200]),
        ("the end is 3.", [3]),
    ],
)
def test_numbers_are_found(text, found):
    assert values(text) == found


@pytest.mark.parametrize(
    "text", ["a0.h3 L3.N1234 m2", "GPT-2 SmolLM2-135M", "version 1.2.3", "blocks.3.hook", "x1 nan"]
)
def test_names_have_no_numbers(text):
    assert values(text) == []


@pytest.mark.parametrize("text", ["9" * 100, "1e999", "inf", "1e-999"])
def test_what_is_no_measurement_is_no_number(text):
    assert values(text) in ([], [0.0])


def test_small_whole_numbers_and_names_are_not_traced():
    text = "3 heads, layer 25, neuron 1234, seed 99, 20 prompts, but 21 prompts, 0.5, and 5 %"
    assert [number.text for number in traceable_numbers(text)] == ["21", "0.5", "5 %"]


@pytest.mark.parametrize(
    ("claimed", "output", "expected"),
    [
        ("0.95", "0.9512 -0.95 95% 95.12 %", [True, True, True, True]),
        (0.95, "0.9512 -0.95 95% 95.12 %", [True, False, True, True]),
        (0.95, "0.9449 0.9450 0.9550 0.9551", [False, True, True, False]),
        ("95 %", "0.9512 0.94 95.2", [True, False, True]),
        (95, "95.0 95.3 95 -95", [True, False, True, False]),
        (0.9512345, "0.95 0.951 0.9513 1", [True, True, False, False]),
        ("1.2e3", "1234 1251", [True, False]),
        (1e-300, "0.00", [False]),
        (1.0, "1", [True]),
    ],
)
def test_a_number_is_another_within_its_rounding(claimed, output, expected):
    assert matches(claimed, output) == expected


@given(value=FINITE, decimals=st.integers(0, 6))
def test_a_number_rounded_for_a_claim_is_found_where_it_is_printed_in_full(value, decimals):
    assert matches(f"{value:.{decimals + 1}f}", repr(value))[-1:] == [True]


@given(value=FINITE, decimals=st.integers(2, 6))
def test_a_number_claimed_in_full_is_found_where_it_is_printed_rounded(value, decimals):
    shown = f"{value:.{decimals}f}"
    number = find_numbers(shown)[0]
    assert matches(value, shown) == [True] or number.digits < 2


@given(value=FINITE, units=st.integers(1, 10**6), decimals=st.integers(1, 6))
def test_a_number_that_is_off_by_more_than_its_last_digit_is_not_found(value, units, decimals):
    # two steps of 10^-decimals away, printed with as many digits: neither rounds to the other
    shown = f"{abs(value) % 1000:.{decimals}f}"
    other = f"{float(shown) + (units + 1) / 10**decimals:.{decimals}f}"
    assert matches(other, shown) == [False]


@given(st.integers(-(10**15), 10**15), st.integers(-(10**15), 10**15))
def test_whole_numbers_are_exact(claimed, shown):
    assert matches(claimed, str(shown)) == [claimed == shown]


@given(st.integers(0, 10**12))
def test_thousands_may_be_separated(number):
    assert values(f"{number:,}") == [number]


@given(st.lists(st.text(max_size=40), max_size=5))
@settings(max_examples=200)
def test_any_text_has_finite_numbers_at_their_places(parts):
    text = " 1.5 ".join(parts)
    for number in find_numbers(text):
        assert text[number.start : number.end] == number.text


def test_numbers_in_code_are_those_of_its_texts_too():
    assert typed_values("lr = 1_000\ns = 'accuracy 0.970'  # -0.5\nk = 3") == {1000.0, 0.97, 0.5}


@pytest.mark.parametrize(
    "piece", ["1,", "-", "1.", "9", "1e", ".", "111,", "% ", "1 ", "1%", "-1", "a1-", "1" + " " * 50, "e+"]
)
def test_time_is_in_proportion_to_the_text(piece):
    def seconds(length):
        text = piece * (length // len(piece))
        begin = time.process_time()
        assert len(find_numbers(text)) <= MAX_NUMBERS
        return time.process_time() - begin

    assert seconds(60_000) < 4  # a pattern that tries every split would need hours
