"""``--access``: in which arms tasks are run, what a run keeps of them, and that their instances are the same."""

import json
import subprocess
import sys

import pytest

from scribe_suite.ledger.ledger import read_ledger
from scribe_suite.paths import suite_root
from scribe_suite.plugin.option.arms import ArmChoice
from scribe_suite.tasks.registry import default_registry


@pytest.mark.parametrize(
    ("text", "shown"),
    [("lab", "lab"), (" outputs, weights ", "weights,outputs"), ("all", "all"), ("outputs,lab,weights", "all")],
)
def test_arms_are_read_in_one_order(text, shown):
    assert str(ArmChoice.parse(text)) == shown


@pytest.mark.parametrize("text", ["", "labs", "lab,,weights", "LAB", "lab;weights"])
def test_what_names_no_arm_is_refused(text):
    with pytest.raises(ValueError, match=r"is not a way to provide a model: give weights, lab, outputs"):
        ArmChoice.parse(text)


def test_a_task_is_run_in_the_arms_that_it_has():
    facts = default_registry().facts
    ioi, pca = facts["circuits/ioi_3"], facts["neurons/prediction_real"]
    assert [one.id for one in ArmChoice().of(ioi)] == ["circuits/ioi_3"]
    assert [one.id for one in ArmChoice.parse("all").of(ioi)] == [
        "circuits/ioi_3.weights", "circuits/ioi_3", "circuits/ioi_3.outputs",
    ]  # fmt: skip
    assert [one.id for one in ArmChoice.parse("weights,lab").of(pca)] == ["neurons/prediction_real"]


def test_an_arm_that_no_selected_task_has_is_named():
    facts = default_registry().facts
    choice = ArmChoice.parse("lab,outputs")
    assert choice.not_found([facts["circuits/ioi_2"], facts["circuits/ioi_2"].in_arm("outputs")]) is None
    assert "no selected task has the arm outputs" in (choice.not_found([facts["circuits/ioi_2"]]) or "")


def run(folder, *arguments):
    command = [sys.executable, "-m", "pytest", "benchmarks/circuits", "-p", "no:cacheprovider", "-q", "--live", "off"]
    return subprocess.run(
        [*command, "--results-dir", str(folder), *arguments],
        cwd=suite_root(), capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip


@pytest.mark.slow
def test_arms_of_one_question_have_one_instance_and_a_record_of_what_was_spent(tmp_path):
    done = run(tmp_path, "-k", "mlp_only", "--access", "weights,lab", "--provider", "oracle,reference")
    assert done.returncode == 0, done.stdout
    (path,) = tmp_path.glob("*.jsonl")
    ledger = read_ledger(path)
    assert ledger.header.arms == "weights,lab"
    found = {(record.task, record.provider): record for record in ledger.attempts}
    assert set(found) == {(task, who) for task in ("circuits/mlp_only", "circuits/mlp_only.lab")
                          for who in ("oracle", "reference")}  # fmt: skip
    assert len({(record.instance_seed, record.base_model) for record in found.values()}) == 1
    assert all(record.outcome == "solved" for record in found.values())
    assert found["circuits/mlp_only", "reference"].laboratory is None
    unused, used = (found["circuits/mlp_only.lab", who].laboratory for who in ("oracle", "reference"))
    assert (unused.experiments, unused.spent, unused.budget) == (0, 0, 1000)  # a provider that never uses it
    assert 0 < used.spent <= used.budget
    assert used.experiments > 0
    lines = (tmp_path / found["circuits/mlp_only.lab", "reference"].folder / "outputs/experiments.jsonl").read_text()
    events = [json.loads(line) for line in lines.splitlines()]
    assert [event["event"] for event in events[:1] + events[-1:]] == ["laboratory", "end"]
    assert sum(event["price"] for event in events if event["event"] == "run") == used.spent


@pytest.mark.slow
def test_an_arm_that_nothing_has_is_one_clear_sentence(tmp_path):
    done = run(tmp_path, "-k", "nothing_is_called_so", "--access", "outputs", "--provider", "oracle")
    assert done.returncode != 0
    assert "no selected task has the arm outputs" in done.stderr + done.stdout


def test_the_reference_is_left_out_of_the_black_box_and_others_are_not(tmp_path):
    arguments = ("--collect-only", "-k", "mlp_only", "--access", "all", "--provider")
    listed = run(tmp_path, *arguments, "reference,null").stdout
    ids = {line.partition("[")[2].removesuffix("]") for line in listed.splitlines() if line.endswith("]")}
    labels = ("mlp_only", "mlp_only.lab")
    assert ids == {
        *(f"{label}-{who}-t0" for label in labels for who in ("reference", "null")),
        "mlp_only.outputs-null-t0",
    }
