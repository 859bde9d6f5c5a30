import io

import pytest
from rich.console import Console

from scribe_suite.analysis.presentation.layout import Columns, best_of, lay_out

PROVIDERS = ("claude:claude-opus-4-1-20250805", "codex:gpt-5.2", "null")
KEYS = Columns(("Task",), (("toy",), ("attention_pattern",)))


def block(metric, providers=("a", "b", "c"), cell="0.500"):
    return Columns(tuple(f"{name}\n{metric}" for name in providers), ((cell,) * len(providers),) * 2)


def rendered(layout, width):
    stream = io.StringIO()
    for table in layout.tables:
        Console(file=stream, width=width).print(table)
    return stream.getvalue()


def headings(layout):
    return [[str(column.header).replace("\n", " ") for column in table.columns] for table in layout.tables]


def test_what_fits_is_one_part_as_it_is():
    layout = lay_out(KEYS, [block("IoU", PROVIDERS), block("Skill", PROVIDERS)], 200)
    (one,) = layout.tables
    assert str(one.columns[1].header) == "claude:claude-opus-4-1-20250805\nIoU"
    assert layout.whole


def test_a_block_that_does_not_fit_any_more_begins_a_part_and_every_part_has_the_names():
    layout = lay_out(KEYS, [block("IoU"), block("Skill")], 60)
    assert headings(layout) == [["Task", "a IoU", "b IoU", "c IoU"], ["Task", "a Skill", "b Skill", "c Skill"]]
    assert layout.whole
    assert rendered(layout, 60).count("attention_pattern") == 2


def test_headings_are_folded_before_a_table_is_split():
    layout = lay_out(KEYS, [block("IoU", PROVIDERS)], 70)
    (one,) = layout.tables
    assert str(one.columns[1].header) == "claude:claude-opus-4-\n1-20250805\nIoU"


def test_a_block_that_no_line_holds_is_torn_and_begins_a_part_of_its_own():
    many = block("IoU", [f"p{n}" for n in range(12)])
    layout = lay_out(KEYS, [block("Skill"), many], 60)
    assert not layout.whole
    assert headings(layout)[0] == ["Task", "a Skill", "b Skill", "c Skill"]
    assert sum(len(part) - 1 for part in headings(layout)[1:]) == 12


@pytest.mark.parametrize("width", [40, 60, 80, 100, 200])
@pytest.mark.parametrize("number", [1, 2, 5, 12])
def test_no_part_is_wider_than_the_line_and_sizes_are_those_that_rich_prints(width, number):
    names = [f"{PROVIDERS[n % 3]}-{n}" for n in range(number)]
    layout = lay_out(KEYS, [block(metric, names) for metric in ("IoU", "Selectivity", "Skill")], width)
    lines = [line.rstrip() for line in rendered(layout, 500).splitlines()]
    assert max(map(len, lines)) + 1 == layout.width <= width + 1  # the blank at the end is stripped
    assert layout.lines == len(lines) + len(layout.parts)  # and a title above each


def test_names_are_folded_where_they_would_take_the_line():
    keys = Columns(("Pair", "Provider"), (("claude:claude-opus-4-1 - codex:gpt-5.2-codex", "null"),))
    layout = lay_out(keys, [Columns(("Difference", "95 % interval"), (("+0.1", "[-0.123, 0.456]"),))], 60)
    assert len(layout.parts) == 1
    assert layout.width <= 60
    assert layout.keys.rows[0][1] == "null"  # short names leave room to long ones


def test_what_never_fits_is_not_cut():
    assert "0.500" in rendered(lay_out(KEYS, [block("IoU")], 10), 100)


def test_the_best_layout_fits_and_has_the_fewest_lines():
    wide, narrow = lay_out(KEYS, [block("IoU")], 200), lay_out(KEYS, [block("IoU")], 30)
    assert best_of([narrow, wide], 200) is wide
    assert best_of([wide, narrow], 30) is narrow


def test_names_are_text_and_no_markup():
    layout = lay_out(Columns(("[red]Task",), (("[bold]x",),)), [Columns(("[i]",), (("[/]",),))], 80)
    assert "[bold]x" in rendered(layout, 80)
