"""Tables in the documentation are what the code says."""

import pytest

from tools.reference_tables import TABLES, stale


def test_no_table_of_the_documentation_is_stale():
    assert stale() == [], "run python -m tools.reference_tables"


@pytest.mark.parametrize("name", TABLES)
def test_a_table_has_a_head_and_rows(name):
    lines = TABLES[name].make().splitlines()
    assert len(lines) > 2
    assert all(line.startswith("|") and line.endswith("|") for line in lines)
