"""The chapter on skill against effort, and the submissions on the page of an attempt."""

from xml.etree import ElementTree

import pytest

from scribe_suite.analysis.comparison import compare_runs
from scribe_suite.analysis.presentation.tables import notes_of, tables_of
from scribe_suite.ledger.ledger import read_ledger
from scribe_suite.report.anytime import anytime_section, course_view
from scribe_suite.report.plots import Labels, Line, step_plot
from scribe_suite.report.views import RunView
from tests.ledger.factories import attempt, failed, write_ledger

LABELS = Labels("p", "A title", "What is to be seen", "axis")


def submitted(task, provider, *pairs, **changes):
    points = [{"number": n, "seconds": s, "skill": skill, **changes} for n, (s, skill) in enumerate(pairs, start=1)]
    return attempt(task, provider, 0, pairs[-1][1], submitted=points, pass_mark=0.8)


def records():
    return [
        submitted("circuits/x", "claude", (10, 0.2), (60, 1.0), tokens=500),
        submitted("circuits/x", "reference", (30, 1.0)),
        submitted("circuits/y", "claude", (5, 0.1)),
        submitted("circuits/z", "claude", (3, 1.0)),
        failed(task="circuits/y", provider="reference"),
        failed("no_answer", task="circuits/y", provider="null"),
    ]


def path_of(svg):
    """The points of the widest line of a plot, in its own units."""
    paths = [
        element.get("d")
        for group in ElementTree.fromstring(svg).iter("g")
        if group.get("id", "").startswith("p-line2d")
        for element in group.iter("path")
    ]
    steps = max(paths, key=len).replace("M", "").split("L")
    return [tuple(float(number) for number in step.split()) for step in steps]


def test_the_numbers_are_those_of_the_comparison(tmp_path):
    path = write_ledger(tmp_path / "r.jsonl", records())
    found, comparison = anytime_section(RunView(read_ledger(path))), compare_runs([path])
    assert {table.key for table in found.tables} == {"anytime", "efficiency", "task_efficiency"}
    assert list(found.tables) == [table for table in tables_of(comparison) if table in found.tables]
    assert found.notes == ("claude: of the 2 attempts that reached the pass mark, 1 tell their tokens.",)
    assert set(found.notes) <= set(notes_of(comparison))


def test_there_is_a_plot_for_every_effort_that_is_known(tmp_path):
    found = anytime_section(RunView(read_ledger(write_ledger(tmp_path / "r.jsonl", records()))))
    assert len(found.plots) == 2
    for plot, axis in zip(found.plots, ("Seconds since the agent began", "Tokens in and out"), strict=True):
        texts = {element.text for element in ElementTree.fromstring(plot).iter("text")}
        assert {axis, "Skill", "claude", "null", "reference"} <= texts


def test_old_ledgers_have_no_chapter(tmp_path):
    path = write_ledger(tmp_path / "r.jsonl", [attempt(), failed("no_answer", trial=1)])
    assert anytime_section(RunView(read_ledger(path))) is None
    assert course_view(attempt()) is None


def test_an_attempt_has_a_row_for_each_submission_and_columns_for_what_is_told():
    view = course_view(submitted("circuits/x", "a", (10, 0.25), (60, 1.0), spent=40, experiments=2))
    assert view.table.rows == ("1", "2")
    assert {column.title: [column.text(row) for row in range(2)] for column in view.table.columns} == {
        "Seconds": ["10.0", "60.0"],
        "Skill": ["0.250", "1.000"],
        "Experiments": ["2", "2"],
        "Spend": ["40", "40"],
    }
    assert (len(view.plots), view.left_out) == (2, 0)


def test_submissions_that_were_left_out_are_counted_and_a_single_one_has_no_plot():
    one = attempt(submitted=[{"number": 7, "seconds": 1.0, "skill": 1.0}])
    view = course_view(one)
    assert (view.plots, view.left_out) == ((), 6)


def test_a_step_plot_holds_each_skill_until_the_next():
    steps = path_of(step_plot({"a": Line([(10.0, 0.5), (20.0, 1.0)])}, LABELS))
    xs, ys = zip(*dict.fromkeys(steps), strict=True)
    # 0, up to 0.5 at the first, up to 1 at the second, and so to the end: right, up, right, up, right
    assert len(xs) == 6
    assert xs[1] == xs[2]
    assert xs[3] == xs[4]
    assert ys[0] == ys[1] > ys[2] == ys[3] > ys[4] == ys[5]
    assert (xs[3] - xs[1]) == pytest.approx(xs[1] - xs[0], rel=0.01)


@pytest.mark.parametrize(
    "points", [[(0.0, 1.0)], [(0.0, -1.0), (0.0, 0.5)], [(1e-3, 0.1), (1e6, 1.0)], [(5.0, 0.0)], []]
)
def test_scales_suit_all_efforts(points):
    assert "<svg" in step_plot({"a": Line(points, points), "b": Line(())}, LABELS, [0.8])
