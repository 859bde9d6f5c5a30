"""What the documentation says of ways out is what the table has."""

import re
from pathlib import Path

import pytest

from scribe_suite.sandbox.escape_table import ESCAPES

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("document", ["README.md", "docs/guide/isolation.md", "docs/reference/audit.md"])
def test_every_count_of_attempts_is_that_of_the_table(document):
    text = (ROOT / document).read_text()
    counts = re.findall(r"(\d+) (?:attempts, each|ways out|escapes)", text)
    assert counts, f"{document} says nowhere how many there are"
    assert set(counts) == {str(len(ESCAPES))}
