import re
import shutil
import subprocess
import sys

import pytest

from scribe_suite import cli
from scribe_suite.cli import main, seed_list
from scribe_suite.ledger.ledger import LedgerWriter
from scribe_suite.paths import suite_root
from scribe_suite.tasks.registry import default_registry
from tests.ledger.factories import header, record


@pytest.mark.parametrize(("text", "seeds"), [("0-3", [0, 1, 2, 3]), ("4", [4]), ("0,2,7-8,2", [0, 2, 7, 8])])
def test_seeds_are_numbers_ranges_and_lists(text, seeds):
    assert seed_list(text) == seeds


@pytest.mark.parametrize("text", ["x", "", "3-1", "-1", "1-"])
def test_other_text_is_no_seed_list(text, capsys):
    with pytest.raises(SystemExit) as caught:
        main(["plant", "circuits/mlp_only", f"--seeds={text}"])
    assert caught.value.code == 2
    assert "--seeds" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("0-9999999", "'9999999' is too large: the largest seed is 999999."),
        ("9" * 10_000, f"'{'9' * 57}...' is too large: the largest seed is 999999."),
        ("0,,", "'0,,' has a comma without a seed on both sides: remove it."),
        ("", "no seed is given: write a seed or a range such as 0-5."),
        ("x" * 10_000, f"'{'x' * 57}...' is not a seed or a range such as 0-5."),
    ],
    ids=["too large", "far too large", "a comma too many", "nothing", "long"],
)
def test_what_is_wrong_with_a_seed_list_is_said(text, sentence, capsys):
    with pytest.raises(SystemExit):
        main(["plant", "circuits/mlp_only", f"--seeds={text}"])
    assert capsys.readouterr().err.endswith(f"argument --seeds: {sentence}\n")


def test_an_unknown_task_is_named_in_one_sentence(capsys):
    assert main(["plant", "circuits/mlp_onyl"]) == 2
    error = capsys.readouterr().err
    assert error == "scribe-suite: Unknown task 'circuits/mlp_onyl': did you mean 'circuits/mlp_only'?\n"


@pytest.mark.parametrize("terminal", [True, False], ids=["terminal", "pipe"])
def test_task_ids_are_never_cut(terminal, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "dumb")  # so that nothing but text is written
    monkeypatch.setattr(cli.sys.stdout, "isatty", lambda: terminal)
    assert main(["tasks"]) == 0
    output = capsys.readouterr().out
    assert all(task_id in output for task_id in default_registry())
    widest = max(map(len, output.splitlines()))
    assert (widest <= 80) is terminal
    assert all(task.summary in output for task in default_registry().values()) is not terminal


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
    assert "can't be read" in capsys.readouterr().err


def test_providers_and_tasks_are_listed():
    done = subprocess.run(
        [sys.executable, "-m", "scribe_suite.cli", "providers"], capture_output=True, text=True, check=True
    )
    assert "oracle" in done.stdout
    done = subprocess.run(
        [sys.executable, "-m", "scribe_suite.cli", "tasks"], capture_output=True, text=True, check=True
    )
    assert "circuits/mlp_only" in done.stdout
