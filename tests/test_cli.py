import subprocess
import sys

import pytest

from scribe_suite.cli import main, seed_list
from scribe_suite.results.ledger import LedgerWriter
from tests.results.factories import header, record


@pytest.mark.parametrize(("text", "seeds"), [("0-3", [0, 1, 2, 3]), ("4", [4]), ("0,2,7-8,2", [0, 2, 7, 8])])
def test_seeds_are_numbers_ranges_and_lists(text, seeds):
    assert seed_list(text) == seeds


@pytest.mark.parametrize("text", ["x", "", "3-1", "-1", "1-"])
def test_other_text_is_no_seed_list(text, capsys):
    with pytest.raises(SystemExit) as caught:
        main(["plant", "circuits/mlp_only", f"--seeds={text}"])
    assert caught.value.code == 2
    assert "--seeds" in capsys.readouterr().err


def test_an_unknown_task_is_named_in_one_sentence(capsys):
    assert main(["plant", "circuits/mlp_onyl"]) == 2
    error = capsys.readouterr().err
    assert "Unknown task 'circuits/mlp_onyl': choose from" in error
    assert "Did you mean 'circuits/mlp_only'?" in error
    assert len(error.splitlines()) == 1


def test_without_a_command_the_help_teaches(capsys):
    assert main([]) == 2
    assert "pytest benchmarks" in capsys.readouterr().out


def test_show_prints_the_table_of_a_run_that_was_cut_off(tmp_path, capsys):
    path = tmp_path / "r1.jsonl"
    LedgerWriter(path, header()).append(record(metrics={"iou": 0.25}, skill=0.5))
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
