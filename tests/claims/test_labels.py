"""What printed numbers are called."""

import pytest

from scribe_suite.claims.labels import find_readings, names, words
from scribe_suite.claims.numbers import find_numbers


def readings(text):
    numbers = find_numbers(text)
    return [(*reading.key, numbers[reading.place].text) for reading in find_readings(text, numbers)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Test accuracy: 0.95, loss = 0.3", [("test accuracy", "", "0.95"), ("loss", "", "0.3")]),
        ("layer 3 accuracy: 0.71", [("layer 3 accuracy", "", "0.71")]),
        ("{'acc': 0.95}", [("acc", "", "0.95")]),
        ("m2: 0.5\na0.h3=0.1", [("m2", "", "0.5"), ("a0.h3", "", "0.1")]),
        ("Accuracy 0.95", [("accuracy", "", "0.95")]),
        ("       effect   std\na0.h3    0.95  0.12", [("a0.h3", "effect", "0.95"), ("a0.h3", "std", "0.12")]),
        ("  head  effect\n0 a0.h3   0.95", [("a0.h3", "effect", "0.95")]),
        ("a0.h3 0.95 0.12", [("a0.h3", "column 1 of 2", "0.95"), ("a0.h3", "column 2 of 2", "0.12")]),
        ("0.5 0.6\nx: 1", []),
        ("word " * 500 + ": 0.5", []),
    ],
)
def test_labelled_numbers_are_found(text, expected):
    assert readings(text) == expected


@pytest.mark.parametrize(
    ("text", "label", "expected"),
    [
        ("The test accuracy of the probe", "test accuracy", True),
        ("the latest accuracy", "test accuracy", False),
        ("accuracy drops", "accuracy", False),
        ("The accuracy is 0.9", "accuracy", True),
        ("patching a0.h3 matters", "a0.h3", True),
        ("patching a0.h31 matters", "a0.h3", False),
    ],
)
def test_a_text_is_about_a_label_or_not(text, label, expected):
    assert names(words(text), label) == expected
