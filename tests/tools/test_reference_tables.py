"""Tables in the documentation are what the code says."""

import pytest

from tools.reference_tables import TABLES, stale, with_table


def test_no_table_of_the_documentation_is_stale():
    assert stale() == [], "run python -m tools.reference_tables"


@pytest.mark.parametrize("name", TABLES)
def test_a_table_has_a_head_and_rows(name):
    lines = TABLES[name].make().splitlines()
    assert len(lines) > 2
    assert all(line.startswith("|") and line.endswith("|") for line in lines)


def test_only_what_is_between_the_comments_is_replaced():
    text = "before\n<!-- generated: x -->\n| old |\n<!-- end: x -->\nafter\n"
    new = with_table(text, "x", "| new |")
    assert new == "before\n<!-- generated: x -->\n\n| new |\n\n<!-- end: x -->\nafter\n"
    assert with_table(new, "x", "| new |") == new


@pytest.mark.parametrize("text", ["", "<!-- generated: x -->", "<!-- end: x --><!-- generated: x -->"])
def test_a_document_without_a_place_for_the_table_is_named(text):
    with pytest.raises(ValueError, match=r"write <!-- generated: x -->"):
        with_table(text, "x", "| new |")
