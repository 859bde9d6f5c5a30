"""Claims on an attempt's page: numbers lead to their cells, and statements are text."""

import json

import pytest

from scribe_suite.ledger.records import Grounding
from scribe_suite.report.site import write_report
from tests.claims.journals import Journal
from tests.report.pages import broken_links, dangers, parsed
from tests.report.synthetic import CANARY, HOSTILE_TEXT, attempt, write_attempt, write_run


def page(tmp_path, journal, answer, **changes):
    """The page of one attempt with this journal and answer; its notebook is made from the journal."""
    runs = tmp_path / "runs"
    runs.mkdir()
    write_attempt(runs, "a", answer={"components": ["m0"], "confidence": 0.5, **answer}, journal=journal.events)
    ledger = write_run(runs, records=[attempt(folder="a", **changes)])
    write_report(ledger, tmp_path / "site", with_keys=False, progress=lambda *_: None)
    (path,) = (tmp_path / "site" / "attempts").glob("*.html")
    return path


@pytest.fixture
def edited():
    made = Journal()
    made.run("f(1)", "test accuracy: 0.7213", cell="cell-0")
    made.run("f(2)", "test accuracy: 0.9512\nminimal: FAIL", cell="cell-1")
    made.run("g(1)", "kappa: 0.4", cell="cell-0", run=2)
    return made


def test_numbers_lead_to_their_cells_and_what_is_not_told_to_both_places(tmp_path, edited):
    claims = [
        {"statement": "test accuracy", "value": 0.9512, "cell": 2, "probability": 0.75},
        {"statement": "kappa", "value": 0.9, "cell": 3},
        {"statement": "accuracy before", "value": 0.7213, "cell": 1},
    ]
    path = page(tmp_path, edited, {"summary": "It reaches 95 %, and 0.44.", "claims": claims})
    text = path.read_text()
    assert 'It reaches <a class="number supported" href="#n-cell-1">95 %</a>, and ' in text
    assert '<span class="number unsupported" title="unsupported">0.44</span>.' in text
    # what was edited away stands in the journal only
    assert '<a href="#journal-n-cell-0-1">In [1] of n</a>' in text
    assert "contradicted</span>: the cell gives this name another value" in text
    assert "<code>minimal: FAIL</code>" in text
    read = parsed(path)
    assert (read.errors, dangers(read), broken_links(read)) == ([], [], [])
    assert len(read.ids()) == len(set(read.ids()))


def test_a_worse_result_leads_to_both_places(tmp_path, edited):
    text = page(tmp_path, edited, {"summary": "It reaches 0.9512."}).read_text()
    assert 'a worse result is 0.7213 (<a href="#journal-n-cell-0-1">' in text


def test_the_ledger_s_counts_are_shown_because_they_know_of_replays(tmp_path, edited):
    kept = Grounding(claims=3, supported=2, replayed=2, reproduced=1)
    text = page(tmp_path, edited, {"summary": "x"}, grounding=kept).read_text()
    assert "<dd>2 of 3</dd>" in text
    assert "<dd>1 of 2</dd>" in text


def test_statements_outputs_and_names_are_text(tmp_path):
    made = Journal()
    made.run("report()", f"{HOSTILE_TEXT}: FAIL\n{HOSTILE_TEXT}: 0.9512", cell="cell-0")
    made.run("other()", "0.5", cell='"><script>')
    claims = [
        {"statement": HOSTILE_TEXT, "value": 0.9512, "cell": 1},
        {"statement": "x", "verdict": HOSTILE_TEXT[:150], "cell": f"{HOSTILE_TEXT[:150]}:1"},
        {"statement": "x", "value": 0.5, "cell": 2},
    ]
    path = page(tmp_path, made, {"summary": f"{HOSTILE_TEXT} 0.9512 0.5", "claims": claims})
    read = parsed(path)
    assert (read.errors, dangers(read), broken_links(read)) == ([], [], [])
    assert f"<script>{CANARY}" not in path.read_text()
    assert 'href="#n-cell-0">0.9512</a>' in path.read_text()


def test_a_journal_that_can_not_be_read_is_told(tmp_path, edited):
    path = page(tmp_path, edited, {"summary": "0.9512"})
    (tmp_path / "runs" / "a" / "notebooks" / "n.journal.jsonl").write_text("garbage\n{}\n")
    write_report(tmp_path / "runs" / "r1.jsonl", tmp_path / "site", with_keys=False, progress=lambda *_: None)
    assert "The journals can&#39;t be read" in path.read_text()


def test_two_cells_of_one_name_have_one_place(tmp_path):
    from scribe_suite.report.notebooks import notebook_views
    from scribe_suite.untrusted_files import UntrustedFolder
    from tests.report.synthetic import code_cell, notebook

    cells = [code_cell(1, "a"), code_cell(1, "b"), {**code_cell(2, "c"), "id": "main"}]
    (tmp_path / "n.ipynb").write_text(json.dumps(notebook(*cells)))
    with UntrustedFolder(tmp_path) as folder:
        (view,) = notebook_views(folder)
    assert view.anchors == {"n-cell-1"}
    assert view.html.count("id=") == 1
