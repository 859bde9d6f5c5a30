from __future__ import annotations

import json
from typing import Any

import nbformat
import pytest

from scribe_suite.errors import InfrastructureError
from scribe_suite.notebook.document import Cell, Document, NotebookFile


def events_of_a_session() -> list[dict[str, Any]]:
    stream = {"output_type": "stream", "name": "stdout", "text": "a\n"}
    result = {"output_type": "execute_result", "execution_count": None, "data": {"text/plain": "1"}, "metadata": {}}
    return [
        {"event": "journal", "version": 1},
        {"event": "cell_started", "cell": "cell-0", "run": 1, "kind": "setup", "code": "setup()"},
        {"event": "cell_finished", "cell": "cell-0", "run": 1, "status": "ok", "execution_count": 1},
        {"event": "markdown_added", "cell": "cell-1", "content": "# title"},
        {"event": "cell_started", "cell": "cell-2", "run": 1, "kind": "agent", "code": "print('a'); 1"},
        {"event": "output", "cell": "cell-2", "run": 1, "output": stream},
        {"event": "output", "cell": "cell-2", "run": 1, "output": {**stream, "text": "b\n"}},
        {"event": "output", "cell": "cell-2", "run": 1, "output": result},
        {"event": "cell_finished", "cell": "cell-2", "run": 1, "status": "ok", "execution_count": 2},
    ]


def run_cell(*outputs: dict[str, Any]) -> Document:
    started = {"event": "cell_started", "cell": "c", "run": 1, "kind": "agent", "code": ""}
    return Document.from_events(
        [started, *({"event": "output", "cell": "c", "run": 1, "output": output} for output in outputs)]
    )


def display(text: str, display_id: str | None = None, kind: str = "display_data") -> dict[str, Any]:
    output: dict[str, Any] = {"output_type": kind, "data": {"text/plain": text}, "metadata": {}}
    return output if display_id is None else {**output, "display_id": display_id}


def shown(document: Document) -> list[str]:
    return [output["data"]["text/plain"] for output in document.cells[0].outputs]


def test_the_events_of_a_session_make_a_valid_notebook():
    notebook = nbformat.reads(Document.from_events(events_of_a_session()).render(), 4)
    nbformat.validate(notebook)
    assert [cell.id for cell in notebook.cells] == ["cell-0", "cell-1", "cell-2"]
    assert notebook.cells[2].outputs[0].text == "a\nb\n"
    assert notebook.cells[2].outputs[1].execution_count == 2


def test_a_second_run_replaces_the_outputs_and_late_outputs_of_the_first_are_not_shown():
    events = events_of_a_session()
    again = [
        {"event": "cell_started", "cell": "cell-2", "run": 2, "kind": "agent", "code": "2"},
        {
            "event": "output",
            "cell": "cell-2",
            "run": 1,
            "output": {"output_type": "stream", "name": "stdout", "text": "late"},
        },
    ]
    cell = Document.from_events([*events, *again]).cell("cell-2")
    assert (cell.source, cell.runs, cell.outputs, cell.status) == ("2", 2, [], "running")


def test_a_cell_whose_harness_was_killed_has_died_when_the_next_session_starts():
    events = [*events_of_a_session(), {"event": "cell_started", "cell": "x", "run": 1, "kind": "agent", "code": "1"}]
    document = Document.from_events(events)
    assert document.cell("x").status == "running"
    document.render()
    document.apply({"event": "session_started", "session": "s2", "origin": "resumed"})
    assert document.cell("x").status == "died"
    assert b'"status": "died"' in document.render()


def test_an_event_that_does_not_fit_is_named():
    with pytest.raises(InfrastructureError, match="Event 10") as caught:
        Document.from_events([*events_of_a_session(), {"event": "output", "cell": "x", "run": 1, "output": {}}])
    assert caught.value.cause == "journal_corrupt"


def test_clear_output_clears_at_once_or_at_the_next_output():
    clear = {"output_type": "clear_output", "wait": False}
    assert shown(run_cell(display("1"), clear)) == []
    waiting = run_cell(display("1"), {**clear, "wait": True})
    assert shown(waiting) == ["1"]
    waiting.apply({"event": "output", "cell": "c", "run": 1, "output": display("2")})
    assert shown(waiting) == ["2"]


def test_a_display_is_updated_in_place_and_its_id_stays_out_of_the_file():
    document = run_cell(display("1", "x"), display("2"), display("3", "x", "update_display_data"))
    assert shown(document) == ["3", "2"]
    assert b"display_id" not in document.render()


def test_a_display_is_updated_from_a_later_cell_too():
    document = run_cell(display("1", "x"))
    before = document.render()
    later = {"cell": "d", "run": 1}
    document.apply({"event": "cell_started", "kind": "agent", "code": "", **later})
    document.apply({"event": "output", "output": display("2", "x", "update_display_data"), **later})
    assert shown(document) == ["2"]
    assert document.cells[1].outputs == []
    assert b'"1"' in before
    assert b'"1"' not in document.render()


def test_a_cell_knows_its_place_also_when_the_setup_cell_comes_in_front_of_restored_ones():
    restored = {"event": "cell_added", "code": "x", "setup": False, "status": "ok", "outputs": []}
    document = Document.from_events(
        [
            {"event": "markdown_added", "cell": "note", "content": "# title"},
            {**restored, "cell": "a"},
            {"event": "cell_started", "cell": "setup", "run": 1, "kind": "setup", "code": "setup()"},
            {**restored, "cell": "b"},
        ]
    )
    assert [cell.cell_id for cell in document.cells] == ["setup", "note", "a", "b"]
    assert [document.place(cell) for cell in document.cells] == [0, 1, 2, 3]
    assert [document.code_place(cell) for cell in document.code_cells()] == [0, 1, 2]
    assert [cell.cell_id for cell in document.code_cells()] == ["setup", "a", "b"]


def test_cells_with_the_same_content_are_two_cells():
    assert Cell("c", "x") != Cell("c", "x")


def test_only_the_cell_that_changed_is_serialised_again(monkeypatch):
    document = Document.from_events(events_of_a_session())
    document.render()
    serialised: list[Any] = []
    dumps = json.dumps
    monkeypatch.setattr(json, "dumps", lambda value, **options: serialised.append(value) or dumps(value, **options))
    document.apply({"event": "markdown_added", "cell": "cell-3", "content": "new"})
    document.render()
    assert [value["id"] for value in serialised if "id" in value] == ["cell-3"]


def test_the_file_is_replaced_as_a_whole_and_nothing_is_left_beside_it(tmp_path):
    path = tmp_path / "a.ipynb"
    path.write_text("old")
    before = path.stat().st_ino
    NotebookFile(path, Document.from_events(events_of_a_session())).write()
    assert path.stat().st_ino != before
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.ipynb"]
    nbformat.validate(nbformat.read(path, 4))


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "a.ipynb"
    path.write_text("old")
    document = Document()
    monkeypatch.setattr(document, "parts", lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        NotebookFile(path, document).write()
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.ipynb"]


def test_writes_while_a_cell_runs_are_spaced_out(tmp_path):
    file = NotebookFile(tmp_path / "a.ipynb", Document(), interval_s=60)
    assert file.wait_s == 0
    file.write()
    assert 50 < file.wait_s <= 60


def test_lone_surrogates_do_not_stop_the_file_from_being_written(tmp_path):
    document = Document.from_events([{"event": "markdown_added", "cell": "cell-0", "content": "\ud800"}])
    NotebookFile(tmp_path / "a.ipynb", document).write()
    assert nbformat.read(tmp_path / "a.ipynb", 4).cells[0].source == "?"
