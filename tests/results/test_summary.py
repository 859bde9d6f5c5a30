import io

from rich.console import Console

from scribe_suite.results.summary import coverage, family_tables, mean_skill, notes
from tests.results.factories import record


def rendered(records):
    stream = io.StringIO()
    for table in family_tables(records):
        Console(file=stream, width=200).print(table)
    return stream.getvalue()


def test_a_table_has_task_rows_and_a_column_per_metric_and_provider():
    text = rendered(
        [
            record(metrics={"iou": 0.5, "recall": 1.0}, skill=0.25),
            record(provider="random", metrics={"iou": 0.1, "recall": 0.2}, skill=-0.5, outcome="unsolved"),
        ]
    )
    head = next(line for line in text.splitlines() if "Task" in line and "IoU" in line)
    assert [title.strip() for title in head.strip("┃ ").split("┃")] == [
        "Task", "random IoU", "reference IoU", "random Recall", "reference Recall", "random Skill", "reference Skill",
    ]  # fmt: skip
    row = next(line for line in text.splitlines() if "toy" in line)
    assert [cell.strip() for cell in row.strip("│ ").split("│")] == [
        "toy", "0.100", "0.500", "0.200", "1.000", "-0.500", "0.250",
    ]  # fmt: skip
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
