"""The language model of the real tasks is an option: another one is measured, and tasks are about that."""

from __future__ import annotations

import json
import random
import shlex
import subprocess
import sys

import pytest

from scribe_suite.cli import main
from scribe_suite.errors import ConfigurationError, InfrastructureError
from scribe_suite.ledger.ledger import read_ledger
from scribe_suite.measurements import REAL_MODEL
from scribe_suite.measurements.measured_task import MeasuredTask
from scribe_suite.measurements.selection import select_model, selected_model, selecting
from scribe_suite.measurements.store import find_measured
from scribe_suite.models.conversion import convert
from scribe_suite.models.spec import parse
from scribe_suite.paths import suite_root
from scribe_suite.tasks.prompts import render_prompt
from scribe_suite.tasks.registry import default_registry
from tests.measurements import another_model

REAL_TASKS = {task.id: task for task in default_registry().of_source("real") if isinstance(task, MeasuredTask)}
TASK = REAL_TASKS["neurons/prediction_real"]
LIMITS = {"agent_timeout_s": 900, "cell_timeout_s": 120, "max_turns": None}


@pytest.fixture(autouse=True)
def _default_afterwards():
    yield
    select_model(None)


def test_without_an_option_tasks_are_about_the_model_whose_truths_are_shipped():
    assert selected_model() == REAL_MODEL
    assert {task.model for task in REAL_TASKS.values()} == {REAL_MODEL}


def test_every_task_is_about_the_selected_model(tmp_path):
    select_model(f"path:{tmp_path}/x/..")
    assert {task.model for task in REAL_TASKS.values()} == {f"path:{tmp_path}"}, "by its one specification"
    select_model(None)
    assert selected_model() == REAL_MODEL


def test_what_names_no_model_is_refused_and_changes_nothing():
    with pytest.raises(ConfigurationError, match="'gpt2' names no model"):
        select_model("gpt2")
    assert selected_model() == REAL_MODEL


def test_a_model_may_be_selected_for_a_while():
    with selecting("hub:gpt2"):
        assert selected_model() == "hub:gpt2"
        with selecting(None):
            assert selected_model() == REAL_MODEL
        assert selected_model() == "hub:gpt2"
    assert selected_model() == REAL_MODEL


@pytest.mark.parametrize("task_id", REAL_TASKS)
def test_a_truth_that_was_not_measured_is_one_sentence_with_the_command_that_measures_it(task_id, spec):
    task = REAL_TASKS[task_id]
    select_model(spec)
    complaint = f"{task.measurement.id} is not measured on {spec}"
    assert task.unavailable() == f"{complaint}: run `scribe-suite measure {task.measurement.id} --model {spec}`."
    with pytest.raises(InfrastructureError) as failure:
        task.truth_facts()
    assert failure.value.cause == "truth_missing"


def test_a_model_that_is_not_converted_is_one_sentence_with_the_command_that_converts_it(spec):
    select_model("hub:gpt2")
    assert TASK.unavailable() == "hub:gpt2 is not ready: run `scribe-suite models convert hub:gpt2`."


def test_prompts_that_another_tokenizer_does_not_align_are_refused_in_one_sentence(spec, capsys):
    """The tiny model's tokenizer cuts most words into letters."""
    select_model(spec)
    circuits = [task for task in REAL_TASKS.values() if task.family == "circuits"]
    assert circuits
    for task in circuits:
        with pytest.raises(ConfigurationError, match=r"tokenizer does not align them .*: choose another model\.$"):
            task.instance(0)
    assert main(["measure", circuits[0].measurement.id, "--model", spec, "--device", "cpu"]) == 2
    assert "tokenizer does not align them" in capsys.readouterr().err


@pytest.fixture(scope="module")
def another(tmp_path_factory):
    """A cache with a converted model, and its specification."""
    cache = tmp_path_factory.mktemp("cache")
    spec = f"path:{another_model.save(tmp_path_factory.mktemp('another') / 'Another-1M')}"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SCRIBE_SUITE_CACHE", str(cache))
        convert(parse(spec), lambda _done, _state: None)
    return cache, spec


def test_another_model_is_measured_and_asked_about(another, monkeypatch, capsys):
    cache, spec = another
    monkeypatch.setenv("SCRIBE_SUITE_CACHE", str(cache))
    monkeypatch.setenv("SCRIBE_SUITE_DEVICE", "cpu")
    monkeypatch.setenv("COLUMNS", "300")
    select_model(spec)
    unavailable = TASK.unavailable()
    command = shlex.split(unavailable.partition("`")[2].partition("`")[0])
    assert main(command[1:]) == 0, capsys.readouterr()
    assert TASK.unavailable() is None
    assert TASK.truth_facts()["model"] == spec

    instance = TASK.instance(7)
    assert (instance.base_model, instance.public.model) == (spec, spec)
    prompt = render_prompt(suite_root(), instance, LIMITS)
    assert "Another-1M" in prompt
    assert "SmolLM2" not in prompt
    assert str(cache) not in prompt
    oracle = instance.answer_schema.parse(json.dumps(TASK.oracle_answer(instance)))
    assert TASK.score(instance, oracle).skill == pytest.approx(1)
    rng = random.Random(0)
    guesses = [instance.answer_schema.parse(json.dumps(TASK.random_answer(instance, rng))) for _ in range(5)]
    assert all(TASK.score(instance, guess).skill < 0.3 for guess in guesses)

    select_model(None)
    assert not isinstance(find_measured(TASK.measurement, spec), str)
    assert TASK.model == REAL_MODEL


@pytest.mark.slow
def test_a_run_on_another_model_is_solved_by_the_reference_solution_and_its_ledger_names_the_model(
    another, tmp_path, monkeypatch
):
    cache, spec = another
    monkeypatch.setenv("SCRIBE_SUITE_CACHE", str(cache))
    monkeypatch.setenv("SCRIBE_SUITE_DEVICE", "cpu")
    assert main(["measure", TASK.measurement.id, "--model", spec]) == 0
    command = [sys.executable, "-m", "pytest", "benchmarks/neurons", "-q", "-p", "no:cacheprovider"]
    command += ["--model-source", "real", "--model", spec, "--provider", "reference,oracle"]
    command += ["--instance-seed", "7", "--results-dir", str(tmp_path / "runs")]
    done = subprocess.run(command, cwd=suite_root(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-5000:]
    (path,) = (tmp_path / "runs").glob("*.jsonl")
    ledger = read_ledger(path)
    assert {(record.task, record.provider): record.outcome for record in ledger.attempts} == {
        (TASK.id, "reference"): "solved",
        (TASK.id, "oracle"): "solved",
    }, "no other neuron task was measured on it"
    assert {record.base_model for record in ledger.attempts} == {spec}
    assert ledger.header.lock["tasks"][TASK.id]["model"] == spec
