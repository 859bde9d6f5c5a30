"""The chapter on what tasks give away and on the best known methods."""

from scribe_suite.errors import ConfigurationError
from scribe_suite.ledger.ledger import read_ledger
from scribe_suite.report import controls
from scribe_suite.report.controls import control_section
from scribe_suite.report.views import RunView
from tests.analysis.test_controls import measured, record
from tests.ledger.factories import attempt, write_ledger


def section(folder, monkeypatch, known):
    monkeypatch.setattr(controls, "read_controls", lambda: known)
    records = [attempt("circuits/a", provider, 0, skill) for provider, skill in (("x", 0.5), ("y", 1.0))]
    return control_section(RunView(read_ledger(write_ledger(folder / "r.jsonl", records))))


def test_gaps_are_shown_by_provider(tmp_path, monkeypatch):
    found = section(tmp_path, monkeypatch, record(a=measured(version=3)))
    gaps = {column.of: column.values for column in found.table.columns if column.title == "Gap"}
    assert gaps == {"x": (0.5,), "y": (0.0,)}
    assert any("measured at version 3" in note for note in found.notes)


def test_nothing_is_shown_of_tasks_that_nothing_is_known_of(tmp_path, monkeypatch):
    assert section(tmp_path, monkeypatch, record(b=measured())) is None


def test_a_report_can_be_made_outside_of_a_checkout(tmp_path, monkeypatch):
    def none():
        raise ConfigurationError("no checkout")

    monkeypatch.setattr(controls, "read_controls", none)
    path = write_ledger(tmp_path / "r.jsonl", [attempt("circuits/a")])
    assert control_section(RunView(read_ledger(path))) is None
