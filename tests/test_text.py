"""What is too long is cut, what is not stays; a table changes nothing of its document but its place."""

import pytest

from scribe_suite.text import by_last_number, plain_text, shortened, with_table


@pytest.mark.parametrize(("text", "expected"), [("", ""), ("abcdef", "abcdef"), ("abcdefg", "abc...")])
def test_a_text_has_at_most_so_many_characters(text, expected):
    assert shortened(text, 6) == expected


@pytest.mark.parametrize(
    ("raw", "plain"),
    [
        ("\x1b[31mred\x1b[0m\x1b]0;title\x07", "red"),
        ("\x1b\x1b[mc", "c"),
        ("\x1b\x1b[m[2J", "[2J"),
        ("a\x9b2Jb\x00\x07\x08\r\x7f", "a2Jb"),
        ("two\n\tlines \u00e9 \u2713", "two\n\tlines \u00e9 \u2713"),
        ("\ud800", "\ufffd"),
    ],
)
def test_plain_text_has_nothing_that_a_terminal_would_obey(raw, plain):
    assert plain_text(raw) == plain


def test_names_are_sorted_by_the_number_at_their_end():
    names = ["a/mech_extra", "a/mech_10", "a/mech_9", "b/x", "a/mech", "a/mech_01", "a/mech_1"]
    assert sorted(names, key=by_last_number) == [
        "a/mech", "a/mech_01", "a/mech_1", "a/mech_9", "a/mech_10", "a/mech_extra", "b/x",
    ]  # fmt: skip


MARKERS = BEGIN, END = "<!-- table -->", "<!-- end of table -->"


def test_only_what_is_between_the_comments_is_replaced():
    document = f"before\n{BEGIN}\n| old |\n{END}\nafter\n"
    new = with_table(document, MARKERS, "| new |")
    assert new == f"before\n{BEGIN}\n\n| new |\n\n{END}\nafter\n"
    assert with_table(new, MARKERS, "| new |") == new


@pytest.mark.parametrize("document", ["", BEGIN, END, f"{END}{BEGIN}", f"{BEGIN}{END}{END}", f"{BEGIN}{BEGIN}{END}"])
def test_a_document_without_one_place_for_the_table_is_refused(document):
    with pytest.raises(ValueError, match=f"write {BEGIN} and, below it, {END} once"):
        with_table(document, MARKERS, "| new |")
