from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import nbformat
import pytest

from scribe_suite.errors import InfrastructureError
from scribe_suite.notebook.config import NotebookConfig
from scribe_suite.notebook.journal import JOURNAL_SUFFIX, Journal
from scribe_suite.notebook.recovery import recover_notebooks
from scribe_suite.notebook.server import NotebookServer

from .agent import Agent, play

STREAM = {"output_type": "stream", "name": "stdout", "text": "so far\n"}


@pytest.fixture
def notebooks(tmp_path: Path) -> Path:
    (tmp_path / "notebooks").mkdir()
    return tmp_path / "notebooks"


def interrupted_journal(folder: Path, name: str = "a") -> Path:
    """The journal of a harness that was killed while the second cell ran."""
    path = folder / f"{name}{JOURNAL_SUFFIX}"
    journal = Journal(path, lambda _event: None)
    journal.append("journal", version=1, notebook=f"{name}.ipynb")
    journal.append("cell_started", cell="cell-0", run=1, kind="agent", code="1")
    journal.append("cell_finished", cell="cell-0", run=1, status="ok", execution_count=1, seconds=0.1)
    journal.append("cell_started", cell="cell-1", run=1, kind="agent", code="print('so far')\nlong()")
    journal.append("output", cell="cell-1", run=1, output=STREAM)
    journal.close()
    return path


def cells(path: Path) -> list[Any]:
    notebook = nbformat.read(path, 4)
    nbformat.validate(notebook)
    return list(notebook.cells)


@pytest.mark.parametrize("present", [None, b"", b'{"cells": []}'])
def test_a_notebook_that_is_missing_or_behind_is_written_and_the_cell_that_ran_has_died(tmp_path, notebooks, present):
    journal = interrupted_journal(notebooks)
    before = journal.read_bytes()
    path = notebooks / "a.ipynb"
    if present is not None:
        path.write_bytes(present)
    assert recover_notebooks(tmp_path) == [path]
    done, died = cells(path)
    assert (done.metadata.scribe.status, died.metadata.scribe.status) == ("ok", "died")
    assert died.outputs[0].text == "so far\n"
    assert journal.read_bytes() == before
    assert recover_notebooks(tmp_path) == []


def test_a_folder_that_holds_the_journals_itself_will_do(notebooks):
    interrupted_journal(notebooks)
    assert recover_notebooks(notebooks) == [notebooks / "a.ipynb"]


def test_a_last_line_that_was_cut_short_is_left_out(notebooks):
    with interrupted_journal(notebooks).open("ab") as file:
        file.write(b'{"event": "output", "cell": "cell-1", "ru')
    recover_notebooks(notebooks)
    assert len(cells(notebooks / "a.ipynb")[1].outputs) == 1


@pytest.mark.parametrize(
    "line",
    [
        b"garbage",
        b'{"event": "output", "cell": "no such cell", "run": 1, "output": {}}',
        b'{"event": "cell_started"}',
        b'{"event": "cell_added", "cell": "x", "code": "", "setup": false, "status": "ok", "outputs": 5}',
        b'{"event": ["unhashable"]}',
        b"[" * 100_000,
    ],
)
def test_a_journal_that_is_broken_is_named_after_all_others_have_been_done(notebooks, line):
    broken = notebooks / f"a{JOURNAL_SUFFIX}"
    broken.write_bytes(line + b'\n{"event": "journal"}\n')
    interrupted_journal(notebooks, "b")
    with pytest.raises(InfrastructureError, match=f"{broken.name}") as caught:
        recover_notebooks(notebooks)
    assert caught.value.cause == "journal_corrupt"
    assert len(cells(notebooks / "b.ipynb")) == 2
    assert not (notebooks / "a.ipynb").exists()


def test_a_notebook_that_cannot_be_written_is_named(notebooks):
    interrupted_journal(notebooks)
    (notebooks / "a.ipynb").mkdir()
    with pytest.raises(InfrastructureError, match=r"a\.ipynb can't be written") as caught:
        recover_notebooks(notebooks)
    assert caught.value.cause == "notebook_write"
    assert not (notebooks / ".a.ipynb.tmp").exists()


def test_a_journal_of_a_harness_that_lives_is_left_alone(notebooks):
    journal = Journal(interrupted_journal(notebooks), lambda _event: None)
    assert recover_notebooks(notebooks) == []
    journal.close()
    assert recover_notebooks(notebooks) == [notebooks / "a.ipynb"]


def test_links_are_not_followed(tmp_path, notebooks):
    (tmp_path / "elsewhere").mkdir()
    journal = interrupted_journal(tmp_path / "elsewhere")
    (notebooks / journal.name).symlink_to(journal)
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "notebooks").symlink_to(tmp_path / "elsewhere")
    assert recover_notebooks(notebooks) == []
    assert recover_notebooks(tmp_path / "runs") == []


def test_what_has_a_notebooks_name_is_replaced_and_neither_read_nor_written_to(tmp_path, notebooks):
    secret = tmp_path / "secret"
    secret.write_text("mine")
    for name, plant in {"a": Path.symlink_to, "b": Path.hardlink_to, "c": lambda path, _: os.mkfifo(path)}.items():
        interrupted_journal(notebooks, name)
        plant(notebooks / f"{name}.ipynb", secret)
        (notebooks / f".{name}.ipynb.tmp").symlink_to(secret)
    assert [path.name for path in recover_notebooks(tmp_path)] == ["a.ipynb", "b.ipynb", "c.ipynb"]
    assert secret.read_text() == "mine"
    for name in "abc":
        assert len(cells(notebooks / f"{name}.ipynb")) == 2


def test_journals_that_are_pipes_or_have_a_second_name_hold_nothing_up(tmp_path, notebooks):
    os.mkfifo(notebooks / f"a{JOURNAL_SUFFIX}")
    assert recover_notebooks(notebooks) == []
    (notebooks / f"b{JOURNAL_SUFFIX}").hardlink_to(interrupted_journal(tmp_path, "other"))
    interrupted_journal(notebooks, "c")
    with pytest.raises(InfrastructureError, match=rf"b{JOURNAL_SUFFIX}' is not opened: it has a second name") as caught:
        recover_notebooks(notebooks)
    assert caught.value.cause == "journal_corrupt"
    assert (notebooks / "c.ipynb").exists()
    assert not (notebooks / "b.ipynb").exists()


def test_what_a_server_leaves_behind_is_what_its_journals_say(tmp_path):
    async def scenario(agent: Agent) -> None:
        await agent.run("from IPython.display import display, clear_output\nhandle = display('a', display_id=True)")
        await agent.run("print('gone')\nclear_output(wait=True)\nprint('\\u03bb')\nhandle.update('b')\n1 / 0")
        await agent.call("add_markdown", session_id=agent.session_id, content="# \U0001d6cc")
        await agent.call("edit_cell", session_id=agent.session_id, code="2 + 2", cell_index=0)
        await agent.run("import os; print('last words', flush=True); os._exit(1)")
        assert recover_notebooks(tmp_path) == []  # the server lives
        await agent.start("start_session_continue_notebook", notebook_path=agent.notebook_path)

    with NotebookServer(NotebookConfig(tmp_path, setup_code="print('set up')")) as server:
        play(server, scenario)
    assert recover_notebooks(tmp_path) == []
    written = {path: path.read_bytes() for path in (tmp_path / "notebooks").glob("*.ipynb")}
    for path in written:
        path.unlink()
    assert recover_notebooks(tmp_path) == sorted(written)
    assert {path: path.read_bytes() for path in written} == written
    assert [json.loads(text)["nbformat"] for text in written.values()] == [4, 4]
