from scribe_suite.report.folds import FIRST, FIRST_OF_CODE, LAST, LONGEST, both_ends, first_lines, is_long, line_count
from scribe_suite.report.notebooks import render_notebook
from tests.report.synthetic import code_cell, notebook, stream


def numbered(count):
    return "\n".join(f"line {n}" for n in range(count))


def test_a_text_is_long_from_a_number_of_lines_on_and_its_end_is_no_line():
    assert not is_long(numbered(LONGEST) + "\n")
    assert is_long(numbered(LONGEST + 1))
    assert line_count("a\nb\n") == 2


def test_of_code_the_beginning_is_shown_and_of_what_was_printed_both_ends():
    assert first_lines(numbered(99)).endswith(f"line {FIRST_OF_CODE - 1}")
    shown = both_ends(numbered(100) + "\n").split("\n")
    assert shown[FIRST - 1 : FIRST + 2] == [
        f"line {FIRST - 1}",
        f"... {100 - FIRST - LAST} lines ...",
        f"line {100 - LAST}",
    ]
    assert shown[-1] == "line 99"


def test_long_cells_and_outputs_fold_and_short_ones_do_not():
    error = {"output_type": "error", "ename": "E", "evalue": "", "traceback": [numbered(80)]}
    page = render_notebook(
        notebook(
            code_cell(1, "\n".join(f"x{n} = 1" for n in range(70)), [stream(numbered(90)), error]),
            code_cell(2, "short = 1", [stream("one line\n")]),
        )
    )
    assert [page.count(f"<summary>All {lines} lines</summary>") for lines in (70, 90, 80)] == [1, 1, 1]
    assert page.count("<details>") == page.count("</details>") == 3
    assert page.count("line 50") == 2  # whole in each of the two, and in no preview
    assert page.count("line 89") == 2  # the end of what was printed is shown besides
    assert "All 1 lines" not in page


def test_hostile_text_in_a_long_cell_is_text():
    hostile = "</pre></details><script>alert(1)</script>\n" * 60
    page = render_notebook(notebook(code_cell(1, hostile, [stream(hostile)])))
    assert "<script" not in page
    assert page.count("</details>") == 2
