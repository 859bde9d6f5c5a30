import io
import re

from rich.console import Console

from scribe_suite.results.summary import coverage, family_tables, mean_skill, notes
from tests.results.factories import record


def rendered(records, width=200):
    stream = io.StringIO()
    for table in family_tables(records, width):
        Console(file=stream, width=width).print(table)
    return stream.getvalue()


def cells(text, word):
    """The cells of the first line with `word`."""
    line = next(line for line in text.splitlines() if word in line)
    return re.split(r"\s{2,}", line.strip())


def test_a_table_has_task_rows_and_a_column_per_metric_and_provider():
    text = rendered(
        [
            record(metrics={"iou": 0.5, "recall": 1.0}, skill=0.25),
            record(provider="random", metrics={"iou": 0.1, "recall": 0.2}, skill=-0.5, outcome="unsolved"),
        ]
    )
    assert cells(text, "random") == ["random", "reference"] * 3
    assert cells(text, "IoU") == ["Task", "IoU", "IoU", "Recall", "Recall", "Skill", "Skill"]
    assert cells(text, "toy") == ["toy", "0.100", "0.500", "0.200", "1.000", "-0.500", "0.250"]
    assert "Circuits Tasks" in text


def test_trials_are_averaged_and_infrastructure_is_in_no_mean():
    records = [
        record(metrics={"iou": 1.0}, skill=1.0),
        record(trial=1, metrics={"iou": 0.0}, skill=0.0, outcome="unsolved"),
        record(trial=2, metrics={}, skill=None, outcome="infrastructure:kernel_start", reason="no kernel"),
    ]
    assert "0.500" in rendered(records)
    assert mean_skill(records) == 0.5
    assert str(coverage(records, planned=3)) == "scored 2/3, solved 1/2, 1 failed by infrastructure"
    assert notes(records) == ["circuits/toy reference t2: infrastructure:kernel_start (no kernel)"]


def test_no_answer_has_no_metrics_but_counts_as_skill_zero_and_is_told():
    records = [
        record(metrics={"iou": 1.0}, skill=1.0),
        record(trial=1, metrics={}, skill=None, outcome="no_answer", reason="nothing"),
    ]
    assert mean_skill(records) == 0.5
    assert "1.000" in rendered(records)
    assert notes(records) == ["circuits/toy reference t1: no_answer (nothing)"]


def test_coverage_tells_what_was_not_run():
    assert str(coverage([record()], planned=4)) == "scored 1/4, solved 1/1, 3 not run"
    assert mean_skill([]) is None


def test_flags_are_told():
    assert notes([record(flags=("below_chance",))]) == ["circuits/toy reference t0: below_chance"]


def test_columns_that_do_not_fit_go_into_a_further_table_by_metric():
    records = [
        record(provider=f"provider{number}", metrics={"iou": 0.5, "recall": 1.0}, skill=0.25) for number in range(3)
    ]
    tables = family_tables(records, width=70)
    assert [[column.header for column in table.columns][1] for table in tables] == [
        "provider0\nIoU", "provider0\nRecall", "provider0\nSkill",
    ]  # fmt: skip
    assert all(len(line) <= 70 for line in rendered(records, width=70).splitlines())
