import json

import pytest

from scribe_suite.report import notebooks
from scribe_suite.report.notebooks import notebook_views, render_notebook
from scribe_suite.report.sanitise import UnsafeError
from scribe_suite.untrusted_files import UntrustedFolder
from tests.report.synthetic import (
    CANARY,
    PIXEL,
    code_cell,
    display,
    hostile_notebook,
    journal_lines,
    markdown_cell,
    notebook,
    plain_notebook,
    stream,
)


def rendered(*cells):
    return str(render_notebook(notebook(*cells)))


def test_cells_have_their_code_outputs_and_what_became_of_them():
    text = str(render_notebook(plain_notebook()))
    assert '<span class="cell-state">set-up</span>' in text
    assert '<span class="cell-state">timeout, run 2 times</span>' in text
    assert '<span class="k">for</span>' in text
    assert "<td>0.143</td>" in text
    assert "<h4>Which heads?</h4>" in text
    assert "ZeroDivisionError: division by zero" in text
    assert "\x1b" not in text


def test_a_hostile_notebook_is_shown_without_its_active_parts():
    text = str(render_notebook(hostile_notebook()))
    assert "<script" not in text.lower()
    assert "Scripts and other active parts of this output are left out." in text
    assert "Not the report" in text


def test_the_best_representation_that_leaves_something_is_shown():
    script = f"<script>{CANARY}</script>"
    assert "instead" in rendered(code_cell(1, "x", [display(html=script, plain="instead")]))
    assert PIXEL in rendered(code_cell(1, "x", [display(plain="figure", png=PIXEL)]))
    assert "figure" in rendered(code_cell(1, "x", [display(plain="figure", png="not base64!")]))
    assert "data:image/svg+xml;base64," in rendered(code_cell(1, "x", [display(plain="figure", svg="<svg/>")]))
    assert "<em>b</em>" in rendered(code_cell(1, "x", [display(plain="a *b*", markdown="a *b*")]))


def test_an_output_can_not_leave_its_cell():
    text = rendered(
        code_cell(1, "x", [display(html="</div></section></section><h1>Verdict: solved")]), code_cell(2, "y")
    )
    assert text.count("<section") == text.count("</section>") == 2
    assert text.index("Verdict") < text.index("</section>")


@pytest.mark.parametrize(
    "content",
    [None, [], {}, {"cells": 3}, {"cells": {}}, "text"],
)
def test_what_is_no_notebook_is_refused(content):
    with pytest.raises(ValueError, match="no list of cells"):
        render_notebook(content)


@pytest.mark.parametrize(
    "cell",
    [
        {},
        {"cell_type": "code"},
        {"cell_type": "code", "source": None, "outputs": None, "metadata": None, "execution_count": "<b>"},
        {"cell_type": "code", "source": ["a\n", 1], "outputs": [None, {}, {"output_type": "stream"}], "metadata": []},
        {"cell_type": "code", "source": {}, "outputs": [{"output_type": "display_data", "data": {"text/plain": {}}}]},
        {"cell_type": "code", "outputs": [{"output_type": "error", "traceback": 5}], "metadata": {"scribe": [1]}},
        {"cell_type": "code", "metadata": {"scribe": {"status": {"x": 1}, "runs": "many", "setup": "yes"}}},
        {"cell_type": "markdown", "source": 5, "attachments": {"x": {"image/png": "y"}}},
        {"cell_type": "raw", "source": "<b>raw</b>", "metadata": {"raw_mimetype": "text/html"}},
        {"cell_type": "<script>", "source": "x"},
    ],
)  # fmt: skip
def test_cells_of_any_shape_do_no_harm(cell):
    assert "<b>" not in str(render_notebook({"cells": [cell, "no cell", None]}))


def test_long_texts_are_cut_and_told(monkeypatch):
    text = rendered(code_cell(1, "x", [stream("y" * 100_000)]))
    assert "40,000 characters more are in the raw file" in text
    monkeypatch.setattr(notebooks, "MAX_TEXT_OF_ALL", 50)
    text = rendered(code_cell(1, "a" * 40, [stream("b" * 40)]), markdown_cell(2, "c"))
    assert text.count("too long for a page") == 2
    monkeypatch.setattr(notebooks, "MAX_CELLS", 1)
    assert "1 more cells are left out" in rendered(code_cell(1, "a"), code_cell(2, "b"))


def test_a_notebook_that_is_missing_is_made_from_its_journal(tmp_path):
    (tmp_path / "n.journal.jsonl").write_text("".join(json.dumps(line) + "\n" for line in journal_lines()))
    (view,) = notebook_views(UntrustedFolder(tmp_path))
    assert view.name == "n.ipynb"
    assert "journal" in view.note
    assert '<span class="cell-state">died, run 2 times</span>' in view.html


def test_files_that_can_not_be_shown_are_told_one_by_one(tmp_path, monkeypatch):
    (tmp_path / "a.ipynb").write_text("{")
    (tmp_path / "b.ipynb").write_text("[" * 200_000)
    (tmp_path / "c.ipynb").write_text(json.dumps(plain_notebook()))
    (tmp_path / "d.journal.jsonl").write_text("no json\n{}\n")
    (tmp_path / "e.ipynb").mkdir()
    views = {view.name: view for view in notebook_views(UntrustedFolder(tmp_path))}
    assert {name: view.html is None for name, view in views.items()} == {
        "a.ipynb": True, "b.ipynb": True, "c.ipynb": False, "d.ipynb": True,
    }  # fmt: skip
    assert all(view.note for view in views.values() if view.html is None)
    monkeypatch.setattr(notebooks, "MAX_NOTEBOOK_BYTES", 10)
    assert (
        "too much for a page" in {view.name: view for view in notebook_views(UntrustedFolder(tmp_path))}["c.ipynb"].note
    )


def test_html_that_fails_the_last_inspection_is_not_shown(tmp_path, monkeypatch):
    def refuses(_):
        raise UnsafeError("an element 'script' is not allowed")

    monkeypatch.setattr(notebooks, "require_inert", refuses)
    (tmp_path / "c.ipynb").write_text(json.dumps(plain_notebook()))
    (view,) = notebook_views(UntrustedFolder(tmp_path))
    assert view.html is None
    assert "can't be shown safely" in view.note
