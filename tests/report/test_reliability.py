"""The chapter on confidence and consistency."""

from scribe_suite.analysis.comparison import compare_runs
from scribe_suite.analysis.presentation.tables import notes_of, tables_of
from scribe_suite.ledger.ledger import read_ledger
from scribe_suite.report.reliability import reliability_section
from scribe_suite.report.views import RunView
from tests.ledger.factories import attempt, failed, write_ledger


def records(**changes):
    return [
        attempt(
            f"circuits/t{task}", provider, trial, 1.0 if (task + trial) % 3 else 0.0,
            **{"confidence": 0.1 * task + 0.2, "confidence_of": "solved", "actions": {"execute_code": 2 + trial}}
            | changes,
        )
        for task in range(7)
        for provider in ("a", "b")
        for trial in range(2)
    ]  # fmt: skip


def section(path):
    return reliability_section(RunView(read_ledger(path)))


def test_the_numbers_are_those_of_the_comparison(tmp_path):
    path = write_ledger(tmp_path / "r.jsonl", [failed(task="circuits/t0", provider="a", trial=0), *records()])
    found, comparison = section(path), compare_runs([path])
    assert list(found.tables) == [table for table in tables_of(comparison) if table in found.tables]
    assert {table.key for table in found.tables} == {"confidence", "calibration", "consistency"}
    assert set(found.notes) <= set(notes_of(comparison))


def test_there_is_a_plot_of_confidences_only_where_some_are_told(tmp_path):
    found = section(write_ledger(tmp_path / "r.jsonl", records(confidence=None)))
    assert (found.diagram, found.curve) == (None, None)
    assert [table.key for table in found.tables] == ["consistency"]
    found = section(write_ledger(tmp_path / "s.jsonl", records()))
    assert "Reliability diagram" in found.diagram
    assert "Risk-coverage curve" in found.curve
    assert ">a</text>" in found.diagram
    assert ">b</text>" in found.curve


def test_a_run_without_attempts_has_nothing_to_show(tmp_path):
    found = section(write_ledger(tmp_path / "r.jsonl", [], planned=(attempt().nodeid,)))
    assert (found.tables, found.diagram, found.notes) == ((), None, ())
