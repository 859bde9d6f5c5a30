"""What journals show, whatever somebody has written into them."""

import json
import os

import pytest

from scribe_suite.claims import evidence as module
from scribe_suite.claims.evidence import evidence_of_events, read_evidence
from scribe_suite.errors import InfrastructureError
from scribe_suite.untrusted_files import UntrustedFolder
from tests.claims.journals import Journal, journal


def test_runs_have_code_output_count_and_status():
    made = Journal()
    made.run("print(1)", "\x1b[1m0.5\x1b[0m\n")
    made.run("1/0", status="error", error="ZeroDivisionError")
    first, second = made.evidence.runs
    assert (first.code, first.text, first.execution_count, first.is_evidence) == ("print(1)", "0.5\n", 1, True)
    assert (second.text, second.status, second.is_evidence) == ("ZeroDivisionError: no", "error", False)


def test_an_edited_cell_is_evidence_in_its_last_version_only():
    made = Journal()
    made.run("a", "0.1", cell="cell-7")
    made.run("b", "0.2", cell="cell-7", run=2)
    assert [run.edited_away for run in made.evidence.runs] == [True, False]
    assert [run.number for run in made.evidence.valid] == [2]


def test_a_cell_that_was_run_again_as_it_is_stays_evidence():
    made = Journal()
    made.run("a", "0.1", cell="cell-7")
    made.run("a", "0.2", cell="cell-7", run=2)
    assert len(made.evidence.valid) == 2


def test_a_run_without_an_end_is_no_evidence():
    made = journal(("a", "0.1"))
    del made.events[-1]
    assert made.evidence.valid == ()


def test_cleared_outputs_are_gone_and_results_are_text():
    made = Journal()
    result = {"output_type": "execute_result", "data": {"text/plain": "0.3", "text/html": "<b>0.4</b>"}}
    made.run("a", "0.1", outputs=[{"output_type": "clear_output", "wait": False}, result])
    assert made.evidence.runs[0].text == "0.3"


def test_numbers_that_stand_in_earlier_code_are_not_measured():
    made = journal(("x = 0.97\nn = 30", ""), ("print(x, n, y)", "0.97 30 0.951 -0.97"), ("print(0.5)", "3"))
    made.run("z", "0.5")
    assert [run.measured.tolist() for run in made.evidence.runs] == [
        [],
        [False, False, True, False],
        [True],
        [False],
    ]


def test_a_cell_is_named_by_its_count_and_its_notebook_where_there_are_several():
    first, second = journal(("a", ""), ("b", "")), journal(("c", ""))
    found = evidence_of_events({"first": first.events, "second": second.events})
    codes = {name: [run.code for run in found.named(name)] for name in (1, "1", "first:1", "second.ipynb:1", 2)}
    assert codes == {
        1: ["a", "c"],
        "1": ["a", "c"],
        "first:1": ["a"],
        "second.ipynb:1": ["c"],
        2: ["b"],
    }


@pytest.mark.parametrize("name", [77, "x", "", ":", "first:", "third:1", "1:first", "\N{SUPERSCRIPT TWO}", "9" * 5000])
def test_a_name_that_is_none_finds_nothing(name):
    assert journal(("a", "")).evidence.named(name) == []


def event(name, **fields):
    return {"event": name, "time": 1.0, "cell": "cell-0", "run": 1, **fields}


@pytest.mark.parametrize(
    "events",
    [
        [event("cell_started")],
        [event("cell_started", code=5)],
        [event("cell_started", code="a", cell=[1])],
        [event("cell_started", code="a", time="late")],
        [event("output", output={"output_type": "stream"})],
        [event("cell_started", code="a"), event("output", output=7)],
        [event("cell_started", code="a"), event("output", output={"output_type": {}})],
        [event("cell_started", code="a"), event("output", output={"output_type": "stream", "name": "x", "text": {}})],
        [event("cell_started", code="a"), event("output", output={"output_type": "display_data", "data": 3})],
        [event("cell_started", code="a"), event("cell_finished", status=[], execution_count="7")],
        [event({"a": 1})],
    ],
)
def test_events_that_make_no_sense_are_no_evidence(events):
    assert evidence_of_events({"n": events}).valid == ()


def test_only_so_much_is_looked_at_and_it_is_told(monkeypatch):
    monkeypatch.setattr(module, "MAX_OUTPUT", 10)
    monkeypatch.setattr(module, "MAX_OUTPUT_OF_ALL", 15)
    found = journal(("a", "x" * 20), ("b", "y" * 20), ("c", "z" * 20)).evidence
    assert [len(run.text) for run in found.runs] == [10, 5, 0]
    assert not found.is_whole
    assert journal(("a", "x" * 5)).evidence.is_whole


def test_journals_are_read_from_a_folder_without_following_links(tmp_path):
    notebooks = tmp_path / "notebooks"
    notebooks.mkdir()
    lines = "".join(json.dumps(line) + "\n" for line in journal(("a", "0.5")).events)
    (notebooks / "n.journal.jsonl").write_text(lines)
    with UntrustedFolder(notebooks) as folder:
        assert [run.text for run in read_evidence(folder).runs] == ["0.5"]
        (tmp_path / "secret").write_text(lines)
        (notebooks / "m.journal.jsonl").symlink_to(tmp_path / "secret")
        os.mkfifo(notebooks / "o.journal.jsonl")
        assert [run.notebook for run in read_evidence(folder).runs] == ["n"]
        (notebooks / "p.journal.jsonl").write_text("garbage\n{}\n")
        with pytest.raises(InfrastructureError, match="not a journal event"):
            read_evidence(folder)
    assert read_evidence(None).runs == ()


def test_a_journal_that_is_too_large_is_left_out(tmp_path, monkeypatch):
    (tmp_path / "n.journal.jsonl").write_text("{}" * 100)
    monkeypatch.setattr(module, "MAX_JOURNAL_BYTES", 100)
    with UntrustedFolder(tmp_path) as folder:
        found = read_evidence(folder)
    assert (found.runs, found.is_whole) == ((), False)
