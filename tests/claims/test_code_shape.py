"""Cells that differ in numbers, texts and names of variables only have one shape."""

import pytest

from scribe_suite.claims.code_shape import MAX_CODE, chosen_numbers, names_in, shape

FIT = "probe = Probe(C=0.01).fit(train)\nprint('accuracy', probe.score(test))"


def test_other_values_and_names_leave_the_shape_as_it_is():
    other = "p = Probe(C=10.0).fit(train)  # stronger\n\nprint('acc', p.score(test))"
    assert shape(FIT) == shape(other) is not None


@pytest.mark.parametrize("change", [("Probe", "Other"), ("score", "loss"), ("fit(train)", "fit(train, test)")])
def test_another_function_method_or_argument_is_another_shape(change):
    assert shape(FIT) != shape(FIT.replace(*change))


@pytest.mark.parametrize("code", ["print(x)", "'''", "(" * 100, "x = 1\n" * MAX_CODE, "\x00", ""])
def test_code_that_says_nothing_or_is_none_has_no_shape(code):
    assert shape(code) is None


def test_numbers_that_are_chosen_stand_outside_of_texts():
    assert chosen_numbers("n = 1_000  # 7\ns = 'accuracy 0.97'\nlr = 1e-3") == "1000 1e-3"
    assert chosen_numbers("'''") == ""


def test_names_stand_outside_of_texts_and_comments():
    assert names_in("checks = {'test': 1}  # of the model\nprint(checks)") == "checks print checks"
    assert names_in("(" * 3) == ""
