import json

import pytest

from scribe_suite.analysis.comparison import compare_runs
from scribe_suite.analysis.controls import RECORD, ControlRecord, MeasuredControl, read_controls
from scribe_suite.analysis.presentation.formats import TEXT_FORMATS, as_json
from scribe_suite.analysis.presentation.tables import notes_of, tables_of
from scribe_suite.errors import ConfigurationError
from tests.ledger.factories import attempt, write_ledger


def measured(**changes):
    values = {
        "version": 1,
        "solvers": {"tree": 0.1, "constant": -0.2},
        "best_method": "reference solution",
        "best_skill": 1.0,
        "best_source": "docs",
        "instances": 20,
    }
    return MeasuredControl(**{**values, **changes})


def record(**tasks):
    return ControlRecord(
        made_by="a command", first_seed=1, tasks={f"circuits/{name}": one for name, one in tasks.items()}
    )


@pytest.fixture
def comparison(tmp_path):
    records = [attempt(f"circuits/{name}", provider, trial, skill + 0.1 * trial)
               for name in ("a", "b")
               for provider, skill in (("x", 0.5), ("y", 0.8))
               for trial in range(2)]  # fmt: skip
    return compare_runs([write_ledger(tmp_path / "r.jsonl", records)])


def test_the_best_solver_is_the_black_box():
    assert (measured().solver, measured().black_box) == ("tree", 0.1)


def test_gaps_are_what_the_best_method_has_more(comparison):
    controls = comparison.with_controls(record(a=measured(best_skill=0.9), b=measured())).controls
    assert [(one.task, one.black_box, one.solver) for one in controls] == [
        ("circuits/a", 0.1, "tree"), ("circuits/b", 0.1, "tree"),
    ]  # fmt: skip
    assert controls[0].gaps == {"x": pytest.approx(0.35), "y": pytest.approx(0.05)}
    assert controls[1].gaps == {"x": pytest.approx(0.45), "y": pytest.approx(0.15)}


def test_controls_are_shown_only_where_they_are_asked_for(comparison):
    assert "controls" not in [table.key for table in tables_of(comparison)]
    shown = comparison.with_controls(record(a=measured(), b=measured()))
    (table,) = [table for table in tables_of(shown) if table.key == "controls"]
    assert [column.title for column in table.columns] == ["Black box", "Best skill", "Best method", "Gap", "Gap"]
    assert all("reference solution" in TEXT_FORMATS[name](shown) for name in TEXT_FORMATS)
    assert json.loads(as_json(shown))["controls"][0]["gaps"]["x"] == pytest.approx(0.45)


def test_other_versions_missing_tasks_and_open_tasks_are_told(comparison):
    notes = notes_of(comparison.with_controls(record(a=measured(version=2, solvers={"tree": 0.4}))))
    assert (
        "circuits/a: black box and best method were measured at version 2 of the task, the attempts are of version 1."
    ) in notes
    assert "circuits/a is not about internals alone: from inputs and outputs, tree reaches a skill of 0.40." in notes
    assert "No black box was measured for circuits/b." in notes


def test_a_record_that_can_not_be_read_is_named_with_the_remedy(tmp_path):
    with pytest.raises(ConfigurationError, match=r"controls\.json can't be read: make it again with python -m studies"):
        read_controls(tmp_path)
    (tmp_path / "ground_truth").mkdir()
    (tmp_path / RECORD).write_text("{}")
    with pytest.raises(ConfigurationError, match="can't be read"):
        read_controls(tmp_path)
    (tmp_path / RECORD).write_text(record(a=measured()).model_dump_json())
    assert read_controls(tmp_path).tasks["circuits/a"].black_box == 0.1
