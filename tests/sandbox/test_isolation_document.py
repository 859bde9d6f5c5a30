"""What the documentation says of ways out is what the table has."""

import re
from pathlib import Path

import pytest

from scribe_suite.sandbox.escape_table import BEGIN_TABLE, END_TABLE, ESCAPES, as_markdown

ROOT = Path(__file__).parents[2]


def test_the_table_of_attempts_is_the_one_that_is_tried():
    text = (ROOT / "docs" / "isolation.md").read_text()
    begin, end = text.index(BEGIN_TABLE), text.index(END_TABLE) + len(END_TABLE)
    assert text[begin:end] == as_markdown(), "put what python -m scribe_suite.sandbox.escape_table prints there"


@pytest.mark.parametrize("document", ["README.md", "docs/isolation.md", "docs/audit.md"])
def test_every_count_of_attempts_is_that_of_the_table(document):
    text = (ROOT / document).read_text()
    counts = re.findall(r"(\d+) (?:attempts, each|ways out|escapes)", text)
    assert counts, f"{document} says nowhere how many there are"
    assert set(counts) == {str(len(ESCAPES))}
