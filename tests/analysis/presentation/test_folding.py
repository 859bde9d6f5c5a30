import pytest

from scribe_suite.analysis.presentation.folding import folded, pieces_of, text_width


@pytest.mark.parametrize(
    ("text", "width", "lines"),
    [
        ("95 % interval of the rate", 13, ["95 % interval", "of the rate"]),
        ("Brier: 95 %", 7, ["Brier:", "95 %"]),
        ("claude:claude-opus-4-1", 14, ["claude:claude-", "opus-4-1"]),
        ("attention_pattern_2", 18, ["attention_pattern_", "2"]),
        ("x" * 12, 5, ["xxxxx", "xxxxx", "xx"]),
        ("as it is", 8, ["as it is"]),
        ("two\nlines of it", 8, ["two", "lines of", "it"]),
        ("漢字漢字", 4, ["漢字", "漢字"]),
        ("", 5, [""]),
    ],
)
def test_lines_are_broken_between_words_then_within_names_then_anywhere(text, width, lines):
    assert folded(text, width).split("\n") == lines
    assert text_width(folded(text, width)) <= width


def test_the_pieces_of_a_line_are_the_line():
    for line in ("a - b", "--x", "claude:x/y_z-1 95 %", " ", ""):
        assert "".join(pieces_of(line)) == line
