"""What is too long is cut, what is not stays."""

import pytest

from scribe_suite.text import shortened


@pytest.mark.parametrize(("text", "expected"), [("", ""), ("abcdef", "abcdef"), ("abcdefg", "abc...")])
def test_a_text_has_at_most_so_many_characters(text, expected):
    assert shortened(text, 6) == expected
