import re
import shutil
import subprocess
import sys

import pytest

from scribe_suite.cli import main
from scribe_suite.ledger.ledger import LedgerWriter
from scribe_suite.paths import suite_root
from scribe_suite.tasks.registry import default_registry
from tests.ledger.factories import header, record


def test_an_unknown_task_is_named_in_one_sentence(capsys):
    assert main(["plant", "circuits/mlp_onyl"]) == 2
    error = capsys.readouterr().err
    assert error == "scribe-suite: Unknown task 'circuits/mlp_onyl': did you mean 'circuits/mlp_only'?\n"


@pytest.mark.parametrize("terminal", [True, False], ids=["terminal", "pipe"])
def test_task_ids_are_never_cut(terminal, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "dumb")  # so that nothing but text is written
    monkeypatch.setattr(sys.stdout, "isatty", lambda: terminal)
    assert main(["tasks"]) == 0
    output = capsys.readouterr().out
    assert all(facts.id in output for facts in default_registry().questions())
    widest = max(map(len, output.splitlines()))
    assert (widest <= 80) is terminal
    assert all(task.summary in output for task in default_registry().facts.values()) is not terminal


@pytest.mark.skipif(shutil.which("make") is None, reason="there is no make here")
@pytest.mark.parametrize(
    ("given", "run"), [((), "benchmarks"), (("TASKS=benchmarks/circuits",), "benchmarks/circuits")]
)
def test_make_bench_runs_the_tasks_it_is_given(given, run):
    done = subprocess.run(
        ["make", "--dry-run", "bench", *given], cwd=suite_root(), capture_output=True, text=True, check=True
    )
    assert re.findall(r"bin/pytest (.*) -n", done.stdout) == [run]


def test_without_a_command_the_help_teaches(capsys):
    assert main([]) == 2
    assert "pytest benchmarks" in capsys.readouterr().out


def test_show_prints_the_table_of_a_run_that_was_cut_off(tmp_path, capsys):
    path = tmp_path / "r1.jsonl"
    planned = tuple(f"benchmarks/circuits/test_circuits.py::test_circuit[toy-reference-t{trial}]" for trial in (0, 1))
    LedgerWriter(path, header(planned=planned)).append(record(metrics={"iou": 0.25}, skill=0.5))
    assert main(["show", str(path)]) == 0
    output = capsys.readouterr().out
    assert "IoU" in output
    assert "0.250" in output
    assert "scored 1/2" in output
    assert "cut off" in output


def test_show_names_a_file_that_is_no_ledger(tmp_path, capsys):
    assert main(["show", str(tmp_path / "none.jsonl")]) == 2
    assert "There is no run" in capsys.readouterr().err


def test_providers_and_tasks_are_listed():
    done = subprocess.run(
        [sys.executable, "-m", "scribe_suite.cli", "providers"], capture_output=True, text=True, check=True
    )
    assert "oracle" in done.stdout
    done = subprocess.run(
        [sys.executable, "-m", "scribe_suite.cli", "tasks"], capture_output=True, text=True, check=True
    )
    assert "circuits/mlp_only" in done.stdout
