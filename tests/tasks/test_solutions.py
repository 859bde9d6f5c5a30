"""Percent-format notebooks become cells, and a missing solution says what to write."""

from __future__ import annotations

import pytest

from scribe_suite.errors import ConfigurationError
from scribe_suite.paths import suite_root
from scribe_suite.tasks.registry import default_registry
from scribe_suite.tasks.solutions import Cell, parse_percent, solution_path, solution_text

NOTEBOOK = '''"""A docstring that is no cell."""

# %% [markdown]
# # Title
# Text with a `# %%` inside
#
# - item
#no space

# %%
x = 1  # %% not a marker

# a comment stays
y = x

# %% a titled cell
answer = y
# %%
'''


def test_code_and_markdown_cells_come_in_order():
    cells = parse_percent(NOTEBOOK)
    assert [cell.kind for cell in cells] == ["markdown", "code", "code"]


def test_markdown_loses_its_comment_signs_and_keeps_its_lines():
    assert parse_percent(NOTEBOOK)[0].source == "# Title\nText with a `# %%` inside\n\n- item\nno space"


def test_code_keeps_comments_and_inner_blank_lines():
    assert parse_percent(NOTEBOOK)[1].source == "x = 1  # %% not a marker\n\n# a comment stays\ny = x"


def test_what_stands_before_the_first_marker_is_no_cell():
    assert all("docstring" not in cell.source for cell in parse_percent(NOTEBOOK))


@pytest.mark.parametrize("text", ["", "x = 1", "# %%\n\n# %%\n   \n"])
def test_a_file_without_content_has_no_cells(text):
    assert parse_percent(text) == []


def test_cells_put_together_run_as_written():
    names = {}
    exec("\n\n".join(cell.source for cell in parse_percent(NOTEBOOK) if cell.kind == "code"), names)
    assert names["answer"] == 1


def test_a_cell_is_a_value():
    assert parse_percent("# %%\nx") == [Cell("code", "x")]


class Nameless:
    id, family, name, solution, access = "probes/nameless", "probes", "nameless", "", "weights"


class Sharing(Nameless):
    name, solution = "other", "nameless"


def test_a_missing_solution_says_which_file_to_write(tmp_path):
    with pytest.raises(ConfigurationError) as caught:
        solution_path(tmp_path, Nameless())
    assert str(caught.value) == (
        "The reference solution of probes/nameless is missing: write ground_truth/solutions/probes/nameless.py."
    )


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "ground_truth" / "solutions" / "probes"
    made.mkdir(parents=True)
    return made


def test_shared_cells_stand_where_they_are_named(tmp_path, folder):
    (folder / "nameless.py").write_text(
        "# %%\nbefore = 1\n\n# %% [cells of] cells/shared.py\n\n# %%\nanswer = shared\n"
    )
    (folder / "cells").mkdir()
    (folder / "cells" / "shared.py").write_text(
        '"""Says what it is."""\n\n# %% [markdown]\n# Text\n\n# %%\nshared = before + 1\n'
    )
    assert parse_percent(solution_text(tmp_path, Nameless())) == [
        Cell("code", "before = 1"),
        Cell("markdown", "Text"),
        Cell("code", "shared = before + 1"),
        Cell("code", "answer = shared"),
    ]


def test_a_solution_without_shared_cells_is_its_file(tmp_path, folder):
    (folder / "nameless.py").write_text(NOTEBOOK)
    assert solution_text(tmp_path, Nameless()) == NOTEBOOK


def test_tasks_may_share_a_solution(tmp_path, folder):
    (folder / "nameless.py").write_text(NOTEBOOK)
    assert solution_text(tmp_path, Sharing()) == solution_text(tmp_path, Nameless())


def test_shared_cells_that_are_missing_are_named(tmp_path, folder):
    (folder / "nameless.py").write_text("# %% [cells of] cells/gone.py\n")
    with pytest.raises(ConfigurationError) as caught:
        solution_text(tmp_path, Nameless())
    assert str(caught.value) == (
        "ground_truth/solutions/probes/nameless.py uses the cells of cells/gone.py, which is not in its folder."
    )


@pytest.mark.parametrize("task_id", list(default_registry()))
def test_every_task_has_a_solution_that_explains_itself_and_leaves_an_answer(task_id):
    cells = parse_percent(solution_text(suite_root(), default_registry()[task_id]))
    assert any(cell.kind == "markdown" for cell in cells)
    code = "\n".join(cell.source for cell in cells if cell.kind == "code")
    compile(code, "solution.py", "exec")
    assert "answer = " in code or "answer: " in code
