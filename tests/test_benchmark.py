"""The benchmark itself: every task with every built-in provider, real models, real kernels, xdist."""

import base64
import io
import json
import subprocess
import sys

import nbformat
import numpy as np
import pytest
from PIL import Image

from scribe_suite.ledger.ledger import read_ledger
from scribe_suite.paths import suite_root
from scribe_suite.tasks.registry import default_registry

TRIALS = 2
PROVIDERS = ("reference", "oracle", "random", "null")


def run_benchmark(folder, *options):
    command = [sys.executable, "-m", "pytest", "benchmarks", "-q", "-n", "2", "--json-report", "--record-only"]
    # always the same instances: a run that only luck decides is no test
    command += ["--instance-seed", "11", "--results-dir", str(folder), *options]
    done = subprocess.run(command, cwd=suite_root(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-5000:]
    return folder


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    return run_benchmark(tmp_path_factory.mktemp("results"), "--provider", ",".join(PROVIDERS))


@pytest.fixture(scope="module")
def attempts(results):
    (path,) = results.glob("*.jsonl")
    return read_ledger(path).attempts


@pytest.mark.slow
def test_every_attempt_counts(attempts):
    assert len(attempts) == len(default_registry().of_source("planted")) * len(PROVIDERS)
    assert all(record.counts for record in attempts), [record.reason for record in attempts if not record.counts]


@pytest.mark.slow
def test_reference_and_oracle_solve_everything(attempts):
    for record in attempts:
        if record.provider in ("reference", "oracle"):
            assert record.outcome == "solved", (record.nodeid, record.reason)


@pytest.mark.slow
def test_random_answers_have_no_skill_and_no_answer_is_no_score(attempts):
    skills = [record.skill for record in attempts if record.provider == "random"]
    assert np.mean(skills) < 0.2
    assert {record.outcome for record in attempts if record.provider == "null"} == {"no_answer"}


@pytest.mark.slow
def test_providers_meet_the_same_instances_and_trials_fresh_ones(tmp_path):
    options = ("--provider", "oracle,random,null", "--trials", str(TRIALS), "-k", "antonym or alphabet or cities")
    (path,) = run_benchmark(tmp_path, *options).glob("*.jsonl")
    attempts = read_ledger(path).attempts
    assert len(attempts) == 3 * 3 * TRIALS
    assert all(record.counts for record in attempts), [record.reason for record in attempts if not record.counts]
    for task in {record.task for record in attempts}:
        seeds = {(record.trial, record.instance_seed) for record in attempts if record.task == task}
        assert len(seeds) == TRIALS
        assert len({seed for _, seed in seeds}) == TRIALS


@pytest.mark.slow
def test_metrics_are_in_each_tests_metadata(results):
    (path,) = results.glob("*.report.json")
    tests = json.loads(path.read_text())["tests"]
    for test in tests:
        record = test["metadata"]["scribe_suite"]
        task = default_registry()[record["task"]]
        assert list(record["metrics"]) == ([] if record["provider"] == "null" else list(task.metrics))


@pytest.mark.slow
def test_reference_notebooks_are_valid_and_show_something(results, attempts):
    for record in attempts:
        if record.provider != "reference":
            continue
        (path,) = (results / record.folder / "notebooks").glob("*.ipynb")
        notebook = nbformat.read(path, as_version=4)
        nbformat.validate(notebook)
        outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
        assert not [output for output in outputs if output.output_type == "error"]
        pictures = [output.data["image/png"] for output in outputs if "image/png" in output.get("data", {})]
        assert pictures, record.nodeid
        for picture in pictures:
            # an axes that was never drawn into is white but for its frame: look at the right half as well as the left
            grey = np.asarray(Image.open(io.BytesIO(base64.b64decode(picture))).convert("L"))
            halves = np.array_split(grey, 2, axis=1)
            assert all((half < 250).mean() > 0.01 for half in halves), record.nodeid
