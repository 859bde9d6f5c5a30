"""What studies share: instances are measured in processes, and the scripts take the same options."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import torch

from scribe_suite.paths import suite_root
from studies.instances import instance_options, measured_instances


def measure(task_id: str, seed: int) -> tuple[str, int, int, int]:
    return task_id, seed, os.getpid(), torch.get_num_threads()


@pytest.mark.slow
def test_tasks_come_in_their_order_with_their_seeds_from_processes_of_one_thread():
    found = dict(measured_instances(measure, {"b": [3, 1], "a": range(2)}, jobs=2))
    rows = [row for several in found.values() for row in several]
    assert list(found) == ["b", "a"]
    assert [row[:2] for row in rows] == [("b", 3), ("b", 1), ("a", 0), ("a", 1)]
    assert os.getpid() not in {row[2] for row in rows}
    assert {row[3] for row in rows} == {1}


def test_options_say_which_instances():
    parser = instance_options("What is measured.", "all", 7)
    assert vars(parser.parse_args([])) == {"tasks": None, "instances": 7, "jobs": 1}
    told = parser.parse_args(["--tasks", "circuits/ioi", "probes/cities", "--instances", "2", "--jobs", "3"])
    assert vars(told) == {"tasks": ["circuits/ioi", "probes/cities"], "instances": 2, "jobs": 3}


@pytest.mark.slow
@pytest.mark.parametrize(
    "study", ["black_box", "circuit_methods", "discriminability", "neuron_methods", "probe_methods"]
)
def test_a_study_runs_as_its_docstring_says(study):
    command = [sys.executable, "-m", f"studies.{study}", "--help"]
    told = subprocess.run(command, cwd=suite_root(), capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stderr
    assert f"python -m studies.{study}" in told.stdout
    assert "--instances" in told.stdout
