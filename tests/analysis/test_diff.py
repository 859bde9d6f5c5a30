import json

import pytest

from scribe_suite.analysis.diff import Change, diff_runs
from scribe_suite.analysis.presentation.diff_formats import DIFF_FORMATS, TITLES
from tests.ledger.factories import attempt, failed, write_ledger, write_report


@pytest.fixture
def compared(tmp_path):
    def run(old, new, tolerance=0.05, **changes):
        paths = [write_ledger(tmp_path / "old.jsonl", old), write_ledger(tmp_path / "new.jsonl", new, **changes)]
        return diff_runs(*paths, tolerance)

    return run


ONE_OF_EACH = [
    # before, after, change, is it a regression
    (attempt(skill=0.0), attempt(skill=1.0), Change.NEWLY_SOLVED, False),
    (attempt(skill=1.0), attempt(skill=0.5), Change.NEWLY_UNSOLVED, True),
    (attempt(skill=0.81), attempt(skill=0.79), Change.NEWLY_UNSOLVED, False),
    (attempt(skill=1.0), failed("no_answer"), Change.NEWLY_UNSOLVED, True),
    (attempt(skill=-0.5), failed("no_answer"), Change.CHANGED, False),
    (attempt(skill=1.0), failed(), Change.NEWLY_INFRASTRUCTURE, False),
    (failed("agent_timeout"), failed(), Change.NEWLY_INFRASTRUCTURE, False),
    (failed(), attempt(skill=0.0), Change.SCORED_AGAIN, False),
    (failed(), failed("infrastructure:other"), None, False),
    (attempt(skill=0.5), attempt(skill=0.2), Change.CHANGED, True),
    (attempt(skill=0.2), attempt(skill=0.5), Change.CHANGED, False),
    (attempt(skill=0.5), attempt(skill=0.46), None, False),
    (attempt(metrics={"f1": 0.5}), attempt(metrics={"f1": 0.2}), Change.CHANGED, False),
    (attempt(metrics={"f1": 0.5}), attempt(metrics={"iou": 0.5}), Change.CHANGED, False),
    (attempt(skill=1.0), attempt(skill=0.0, task_version=2), Change.OTHER_VERSION, False),
    (failed("no_answer"), failed("agent_timeout"), Change.CHANGED, False),
]


@pytest.mark.parametrize(("before", "after", "change", "regression"), ONE_OF_EACH)
def test_every_way_a_test_changes(compared, before, after, change, regression):
    result = compared([before], [after])
    assert [test.change for test in result.changes] == ([change] if change else [])
    assert result.same == (change is None)
    assert bool(result.regressions) is regression
    assert result.exit_code == (1 if regression else 3 if change == Change.NEWLY_INFRASTRUCTURE else 0)


def test_the_tolerance_says_what_a_change_is(compared):
    before, after = [attempt(skill=0.5)], [attempt(skill=0.4)]
    assert compared(before, after, 0.0).exit_code == 1


def test_a_larger_tolerance_lets_it_pass(compared):
    assert compared([attempt(skill=0.5)], [attempt(skill=0.4)], 0.2).exit_code == 0


def test_a_run_against_itself_has_no_changes(compared):
    records = [attempt(trial=trial, skill=trial / 5) for trial in range(5)] + [failed(trial=9)]
    result = compared(records, records, 0.0)
    assert (result.changes, result.same, result.removed, result.added) == ((), 6, (), ())
    assert result.exit_code == 0


def test_changed_metrics_are_listed_with_both_values(compared):
    (test,) = compared([attempt(skill=0.5)], [attempt(skill=0.2)]).changes
    assert [(value.name, value.old, value.new) for value in test.values] == [
        ("skill", 0.5, 0.2), ("iou", 0.25, 0.1), ("f1", 0.5, 0.2),
    ]  # fmt: skip


def test_tests_of_one_run_only_are_counted_and_no_regression(compared):
    result = compared([attempt(), attempt(trial=1)], [attempt(), attempt(trial=2), attempt(trial=3)])
    assert (len(result.removed), len(result.added), result.exit_code) == (1, 2, 0)
    assert "Tests that only the new run has: 2." in DIFF_FORMATS["terminal"](result)


def test_runs_without_a_common_test_and_a_run_that_was_cut_off_are_told(compared):
    result = compared([attempt()], [attempt(trial=1)], ended=False)
    assert result.notes == ("The new run (new) was cut off.", "The runs have no test in common.")


def test_other_instances_are_told(compared):
    result = compared([attempt()], [attempt(instance_seed=5)])
    assert result.other_instances == 1
    assert "--instance-seed" in result.notes[0]


def test_reports_are_compared_as_ledgers_are(tmp_path, compared):
    old, new = [attempt(skill=1.0)], [attempt(skill=0.0)]
    reports = [write_report(tmp_path / "old.json", old, "old"), write_report(tmp_path / "new.json", new, "new")]
    assert diff_runs(*reports, 0.05) == compared(old, new)


@pytest.fixture
def everything(compared):
    pairs = [(a.model_copy(update={"nodeid": f"t[{n}]"}), b.model_copy(update={"nodeid": f"t[{n}]"}))
             for n, (a, b, *_) in enumerate(ONE_OF_EACH)]  # fmt: skip
    return compared([before for before, _ in pairs], [after for _, after in pairs])


def test_every_kind_of_change_has_a_title(everything):
    assert set(TITLES) == set(Change) - {Change.SAME}
    for name in ("terminal", "markdown"):
        text = DIFF_FORMATS[name](everything)
        assert all(f"{title} (" in text for title in TITLES.values())
        assert text.count("REGRESSION") == len(everything.regressions) == 3
        assert "regressions beyond 0.05: 3, newly solved: 1, newly unsolved: 3" in text


def test_json_has_all_of_it(everything):
    content = json.loads(DIFF_FORMATS["json"](everything))
    assert (content["exit_code"], content["regressions"], len(content["changes"])) == (1, 3, 14)


def test_a_hostile_reason_is_a_code_span(compared):
    reason = "`|<img src=x>\n@octocat # " + "y" * 500
    text = DIFF_FORMATS["markdown"](compared([attempt()], [failed(reason=reason)]))
    line = next(line for line in text.splitlines() if "octocat" in line)
    assert line.endswith("yyy...` |")
    assert len(re_unescaped_bars(line)) == 6
    assert "`'\\|<img" in line


def test_a_long_list_is_cut_so_that_it_fits_into_a_comment(compared):
    old = [attempt(trial=trial) for trial in range(150)]
    new = [attempt(trial=trial, skill=0.0) for trial in range(150)]
    text = DIFF_FORMATS["markdown"](compared(old, new))
    assert "and 50 more" in text
    assert len(text) < 65_536


def re_unescaped_bars(line):
    return [n for n, letter in enumerate(line) if letter == "|" and line[n - 1] != "\\"]
