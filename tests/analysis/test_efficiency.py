"""Effort against that of the reference, on numbers that can be worked out by hand."""

import pytest

from scribe_suite.analysis.comparison import compare_runs
from scribe_suite.analysis.presentation.tables import notes_of, tables_of
from tests.ledger.factories import attempt, failed, write_ledger


def solved(provider, task="circuits/x", trial=0, *, early=(), **used):
    """An attempt that solves with its last submission, and had some of no worth before."""
    used = {"seconds": 60.0, **used}
    before = [{"number": n, "skill": 0.0, **used, "seconds": when} for n, when in enumerate(early, start=1)]
    last = {"number": len(before) + 1, "skill": 1.0, **used}
    laboratory = {"budget": 1000, "spent": 999} if "spent" in used else None
    return attempt(task, provider, trial, 1.0, pass_mark=0.8, submitted=[*before, last], laboratory=laboratory)


def unsolved(provider, task="circuits/x", trial=0, skill=0.1):
    point = {"number": 1, "seconds": 1.0, "skill": skill}
    return attempt(task, provider, trial, skill, pass_mark=0.8, submitted=[point])


def compared(folder, *runs):
    return compare_runs([write_ledger(folder / f"{number}.jsonl", run) for number, run in enumerate(runs)])


def side(comparison, label="a"):
    return next(one for one in comparison.sides if one.label == label)


def tables(comparison):
    return {table.key: table for table in tables_of(comparison)}


def test_it_is_the_logarithm_of_the_references_effort_over_ones_own(tmp_path):
    records = [
        solved("reference", seconds=80.0, spent=400),
        solved("a", seconds=20.0, spent=800, early=(2.0, 3.0)),
        solved("reference", "circuits/y", seconds=10.0, spent=256),
        solved("a", "circuits/y", seconds=10.0, spent=4),
    ]
    comparison = compared(tmp_path, records)
    found = side(comparison).efficiency
    assert found.efforts["seconds"].value.value == pytest.approx((2 + 0) / 2)
    assert found.efforts["spent"].value.value == pytest.approx((-1 + 6) / 2)
    assert found.efforts["spent"].by_task == {"circuits/x": -1.0, "circuits/y": 6.0}
    assert found.efforts["spent"].pairs == 2
    assert (found.against, found.paired, found.unsolved) == ("reference", 2, 0)
    assert set(found.efforts) == {"spent", "seconds"}, "nobody tells tokens"
    assert side(comparison, "reference").efficiency is None


def test_it_has_no_end_and_stands_beside_a_skill_that_it_does_not_change(tmp_path):
    records = [solved("reference", spent=2**20), solved("a", spent=1)]
    comparison = compared(tmp_path, records)
    assert side(comparison).efficiency.efforts["spent"].value.value == 20
    assert side(comparison).skill == side(comparison, "reference").skill == 1.0
    columns = [column.title for column in tables(comparison)["providers"].columns]
    assert columns[:3] == ["Skill", "95 % interval", "Efficiency: spend"]


def test_equal_efforts_are_an_efficiency_of_0_with_an_interval_of_no_width(tmp_path):
    records = [solved(who, f"circuits/t{n}", seconds=7.0 + n) for n in range(7) for who in ("a", "reference")]
    value = side(compared(tmp_path, records)).efficiency.efforts["seconds"].value
    assert (value.value, value.interval) == (0.0, (0.0, 0.0))


def test_intervals_are_those_of_means_over_tasks(tmp_path):
    records = [solved("reference", f"circuits/t{n}", seconds=64.0) for n in range(7)]
    records += [solved("a", f"circuits/t{n}", seconds=64.0 / 2**n) for n in range(7)]
    value = side(compared(tmp_path, records)).efficiency.efforts["seconds"].value
    assert value.value == pytest.approx(3)
    low, high = value.interval
    assert 0 < low < 3 < high < 6
    assert low == pytest.approx(6 - high, abs=0.1)


def test_what_is_not_solved_has_none_and_is_counted(tmp_path):
    records = [
        solved("reference", "circuits/x"), unsolved("a", "circuits/x"),
        solved("reference", "circuits/y", seconds=30.0), solved("a", "circuits/y", seconds=15.0),
        unsolved("reference", "circuits/z"), solved("a", "circuits/z"),
        solved("reference", "circuits/v"), failed("no_answer", task="circuits/v", provider="a"),
        solved("reference", "circuits/w"), failed(task="circuits/w", provider="a"),
    ]  # fmt: skip
    comparison = compared(tmp_path, records)
    found = side(comparison).efficiency
    assert (found.paired, found.unsolved, found.reference_unsolved) == (4, 2, 1)
    assert (found.efforts["seconds"].value.value, found.efforts["seconds"].pairs) == (1.0, 1)
    (row,) = tables(comparison)["efficiency"].rows
    shown = {column.title: column.text(0) for column in tables(comparison)["efficiency"].columns}
    assert (row, shown["Attempts"], shown["Unsolved"], shown["Efficiency: time"]) == ("a", "4", "2", "+1.000")
    assert any("did not solve their instance: 1." in note for note in notes_of(comparison))


def test_a_submission_that_passed_for_a_while_does_not_make_an_attempt_solved(tmp_path):
    lost = [{"number": 1, "seconds": 1.0, "skill": 1.0}, {"number": 2, "seconds": 9.0, "skill": 0.0}]
    records = [solved("reference"), attempt("circuits/x", "a", 0, 0.0, pass_mark=0.8, submitted=lost)]
    found = side(compared(tmp_path, records)).efficiency
    assert (found.unsolved, found.efforts) == (1, {})


def test_an_effort_of_nothing_has_no_logarithm(tmp_path):
    records = [solved("reference", spent=64), solved("a", spent=0)]
    comparison = compared(tmp_path, records)
    spent = side(comparison).efficiency.efforts["spent"]
    assert (spent.value.value, spent.pairs, spent.no_ratio) == (None, 0, 1)
    assert any("in spend, because one of the two had used none: 1." in note for note in notes_of(comparison))


def test_only_attempts_on_the_same_instance_are_compared(tmp_path):
    own = solved("a", seconds=30.0).model_copy(update={"instance_seed": 5})
    assert side(compared(tmp_path, [solved("reference"), own])).efficiency is None
    assert "efficiency" not in tables(compared(tmp_path / "..", [solved("a")]))


def test_a_reference_of_another_run_serves_where_ones_own_has_none(tmp_path):
    comparison = compared(tmp_path, [solved("reference", seconds=40.0)], [solved("a", seconds=10.0)])
    found = side(comparison).efficiency
    assert (found.against, found.efforts["seconds"].value.value) == ("reference", 2.0)


def test_the_reference_of_ones_own_run_goes_first(tmp_path):
    runs = (
        [solved("reference", seconds=640.0), solved("reference", "circuits/y")],
        [solved("a", seconds=10.0), solved("a", "circuits/y"), solved("reference", seconds=20.0)],
    )
    found = side(compared(tmp_path, *runs)).efficiency
    assert (found.against, found.efforts["seconds"].value.value) == ("reference#2", 1.0)


def test_a_bound_is_marked_in_the_table_by_task(tmp_path):
    records = [solved("reference", task, spent=spent) for task, spent in (("circuits/x", 512), ("circuits/y", 64))]
    records += [solved("a", task, spent=128) for task in ("circuits/x", "circuits/y")]
    stated = records[0].laboratory.model_copy(update={"bound": 32})
    records[0] = records[0].model_copy(update={"laboratory": stated})
    comparison = compared(tmp_path, records)
    assert comparison.bounds == {"circuits/x": 4.0}
    table = tables(comparison)["task_efficiency"]
    assert table.rows == ("circuits/x", "circuits/y")
    shown = {column.title: column.values for column in table.columns}
    assert shown == {"Spend": (2.0, -1.0), "Bound: spend": (4.0, None), "Time": (0.0, 0.0)}


def test_without_a_bound_there_is_no_column_of_it(tmp_path):
    table = tables(compared(tmp_path, [solved("reference"), solved("a")]))["task_efficiency"]
    assert [(column.of, column.title) for column in table.columns] == [("a", "Time")]
