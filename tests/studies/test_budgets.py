"""What reference solutions reach in laboratories: the record, its tables, and one real measurement."""

from dataclasses import replace

import pytest

from scribe_suite.paths import suite_root
from scribe_suite.tasks.registry import default_registry
from scribe_suite.text import with_table
from studies import budgets
from studies.budgets import (
    DOCUMENT,
    MARKERS,
    Curve,
    Earlier,
    Reached,
    empty_curve,
    extended,
    laboratory_levels,
    measure_instance,
    missing,
    read_record,
    restated,
    restated_record,
    tables,
    with_shared_points,
    write_record,
)


def test_the_document_shows_the_record():
    document, record = (suite_root() / DOCUMENT).read_text(), read_record(suite_root())
    assert with_table(document, MARKERS, tables(record, laboratory_levels())) == document, (
        "run python -m studies.budgets --write"
    )
    assert all(default_registry().facts_of(name).access == "lab" for name in record)


@pytest.mark.slow
def test_what_is_not_of_today_is_marked():
    record = read_record(suite_root())
    assert restated_record(record, suite_root()) == record, "run python -m studies.budgets --restate"


def test_other_conditions_make_a_measurement_an_earlier_one():
    half, whole = [Reached(0.5, 40)], [Reached(1.0, 90)]
    old = Curve(1, 100, "prompt", {50: half, 100: whole}, "of then", {25: Earlier(0, half)})
    empty = Curve(2, 80, "prompt", {}, "of today")
    one = restated(old, empty)
    assert one == replace(empty, earlier={25: Earlier(0, half), 50: Earlier(1, half), 100: Earlier(1, whole)})
    assert restated(one, empty) == one
    assert restated(None, empty) == empty
    again = extended({"a/x_3": old}, {"a/x_3": empty}, "a/x_3@50", Reached(0.9, 50))["a/x_3"]
    assert (again.reached, set(again.earlier)) == ({50: [Reached(0.9, 50)]}, {25, 100})
    text = tables({"a/x_3": again})
    assert "| `a/x_3` | 50 | 2 | 1 | 0.90 |" in text
    assert "| `a/x_3` | 100 | 1 ¹ | 1 | 1.00 |" in text
    assert text.splitlines()[-1].startswith("¹ Not of today")
    assert "¹" not in tables({"a/x_3": replace(again, earlier={})})


def test_restating_measures_nothing(tmp_path, monkeypatch):
    for folder in ("studies", "docs/reference"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / DOCUMENT).write_text("\n".join((*MARKERS, "")))
    (tmp_path / "ground_truth").symlink_to(suite_root() / "ground_truth")
    old = Curve(1, 36, "prompt", {36: [Reached(1.0, 36)]}, "of then")
    write_record(tmp_path, {"neurons/alphabet_3": old, "neurons/of_old_3": old})
    monkeypatch.setattr(budgets, "suite_root", lambda: tmp_path)
    monkeypatch.setattr(budgets, "measured_units", None)
    assert budgets.main(["--restate"]) == 0
    assert read_record(tmp_path).keys() == {"neurons/alphabet_3"}
    assert read_record(tmp_path)["neurons/alphabet_3"].earlier == {36: Earlier(1, [Reached(1.0, 36)])}
    assert "| `neurons/alphabet_3` | **36** | 1 ¹ |" in (tmp_path / DOCUMENT).read_text()


def test_a_table_has_means_over_instances_and_marks_the_level_s_budget():
    curve = Curve(
        1, 100, "prompt", {50: [Reached(0.5, 40), Reached(1.0, 50)], 100: [Reached(1.0, 90), Reached(0.9, 10)]}
    )
    lines = tables({"circuits/x_3": curve}).splitlines()
    assert lines[0] == "### circuits"
    assert lines[-2:] == [
        "| `circuits/x_3` | 50 | 1 | 2 | 0.75 | 1 | 45 prompts |",
        "| `circuits/x_3` | **100** | 1 | 2 | 0.95 | 2 | 50 prompts |",
    ]


def test_levels_that_were_not_measured_at_their_own_budget_are_named():
    half, whole = {50: [Reached(0.5, 40)]}, {100: [Reached(1.0, 90)]}
    record = {
        "a/half_3": Curve(1, 100, "prompt", half, "one"),
        "a/whole_3": Curve(1, 100, "prompt", whole, "two"),
        "a/whole_4": Curve(1, 50, "prompt", half, "two"),
        "a/then_3": Curve(2, 100, "prompt", {}, "three", {100: Earlier(1, whole[100])}),
    }
    assert tables(record, [*record, "a/never_2"]).splitlines()[-1] == (
        "Not measured at their own budget, or not since they changed: `a/half_3`, `a/never_2`, `a/then_3`."
    )
    assert "Not measured" not in tables({"a/whole_3": record["a/whole_3"]}, ["a/whole_3"])
    assert {"circuits/ioi_3", "probes/cities_real_4"} <= set(laboratory_levels())
    assert not {"circuits/ioi", "circuits/edges_2"} & set(laboratory_levels())


def test_levels_that_differ_only_by_their_budget_share_their_points():
    def curve(budget: int, conditions: str) -> Curve:
        return Curve(1, budget, "token", {budget: [Reached(1.0, budget - 1)]}, conditions)

    record = {"a/x_2": curve(9, "same"), "a/x_3": curve(5, "same"), "a/y_2": curve(7, "same"), "a/z_2": curve(8, "")}
    shared = with_shared_points({**record, "a/z_3": curve(4, "")})
    assert {name: sorted(curve.reached) for name, curve in shared.items()} == {
        "a/x_2": [5, 9],
        "a/x_3": [5, 9],
        "a/y_2": [7],
        "a/z_2": [8],
        "a/z_3": [4],
    }
    assert "| `a/x_2` | 5 | 1 | 1 |" in tables(record)
    assert "| `a/x_2` | **9** | 1 | 1 |" in tables(record)


def test_writing_some_levels_keeps_the_others(tmp_path):
    for folder in ("studies", "docs/reference"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / DOCUMENT).write_text("\n".join(("before", *MARKERS, "after\n")))
    one = Curve(1, 10, "token", {10: [Reached(1.0, 9)]})
    write_record(tmp_path, {"probes/b_2": one})
    write_record(tmp_path, {**read_record(tmp_path), "circuits/a_2": one})
    assert list(read_record(tmp_path)) == ["circuits/a_2", "probes/b_2"]
    text = (tmp_path / DOCUMENT).read_text()
    assert text.startswith("before\n")
    assert text.index("### circuits") < text.index("### probes")


def test_what_is_measured_is_kept_at_once_and_not_measured_again(tmp_path, monkeypatch):
    for folder in ("studies", "docs/reference"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / DOCUMENT).write_text("\n".join((*MARKERS, "")))
    (tmp_path / "ground_truth").symlink_to(suite_root() / "ground_truth")
    asked = []

    def interrupted(_measure, units, _jobs):
        asked.append(list(units))
        for number, unit in enumerate(units):
            if number == 3:
                raise KeyboardInterrupt
            yield unit, None if unit[0].endswith("@18") else Reached(0.5, number)

    monkeypatch.setattr(budgets, "suite_root", lambda: tmp_path)
    monkeypatch.setattr(budgets, "measured_units", interrupted)
    command = ["--tasks", "neurons/alphabet_3", "--shares", "0.5,1", "--instances", "2", "--write"]
    with pytest.raises(KeyboardInterrupt):
        budgets.main(command)
    assert budgets.main(command) == 1
    low, full, first = "neurons/alphabet_3@18", "neurons/alphabet_3@36", budgets.FIRST_SEED
    assert asked == [
        [(low, first), (full, first), (low, first + 1), (full, first + 1)],
        [(low, first), (low, first + 1), (full, first + 1)],  # what the machine lost is still missing
    ]
    assert read_record(tmp_path)["neurons/alphabet_3"].reached == {36: [Reached(0.5, 1), Reached(0.5, 2)]}


def test_what_other_conditions_gave_does_not_count():
    name = "neurons/alphabet_3"
    empty = {name: empty_curve(name, suite_root())}
    record = extended({}, empty, f"{name}@9", Reached(0.5, 9))
    assert extended(record, empty, f"{name}@36", Reached(1.0, 36))[name].reached.keys() == {9, 36}
    other = {name: replace(record[name], conditions="another solution")}
    assert extended(other, empty, f"{name}@36", Reached(1.0, 36))[name].reached.keys() == {36}
    assert missing(other, empty, [0.25], 1) == [(f"{name}@9", budgets.FIRST_SEED)]
    assert missing(record, empty, [0.25], 1) == []


def test_levels_with_base_models_of_their_own_share_no_points():
    shared, own = ("circuits/ioi_3", "circuits/ioi_4"), ("circuits/edges_3", "circuits/edges_4")
    conditions = {name: empty_curve(name, suite_root()).conditions for name in (*shared, *own)}
    assert conditions[shared[0]] == conditions[shared[1]]
    assert conditions[own[0]] != conditions[own[1]]


def test_a_level_without_a_laboratory_is_refused():
    with pytest.raises(ValueError, match="circuits/ioi has no laboratory: name a level that has one"):
        empty_curve("circuits/ioi", suite_root())


@pytest.mark.slow
def test_a_solution_is_run_at_the_budget_that_is_asked_for():
    one = measure_instance("circuits/mlp_only_3@200", budgets.FIRST_SEED)
    assert one is not None
    assert 0 < one.spent <= 200
    assert one.skill == 1.0
