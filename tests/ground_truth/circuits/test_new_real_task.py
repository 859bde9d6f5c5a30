"""What README promises of a further task about circuits of a real model: its file and its prompt are all it takes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import pytest

from scribe_suite.paths import ROOT_VARIABLE, suite_root

TASK = '''"""Which letter comes next?"""

import random

from ground_truth.circuits.real.behaviour import Behaviour, Drawn, Frames
from ground_truth.circuits.real.measurement import CircuitMeasurement
from ground_truth.circuits.real.task import MeasuredCircuitTask


def draw(rng: random.Random, frames: Frames) -> Drawn:
    """Three letters in a row, or three others."""
    first, other = rng.sample(range(20), 2)
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    return {
        "clean": " ".join(letters[first : first + 3]),
        "counterfactual": " ".join(letters[other : other + 3]),
        "options": [f" {letters[first + 3]}"],
        "weights": [1.0],
    }


class AlphabetReal(MeasuredCircuitTask):
    """``circuits/alphabet_real``."""

    name = "alphabet_real"
    summary = "Rank the heads and MLPs of a real language model by what they do to go on with the alphabet."
    behaviour = Behaviour(draw=draw, public={}, hidden={}, readout="logits", hidden_pairs=8)
    measurement = CircuitMeasurement(name, behaviour, cost="6 CPU minutes")
'''
LOOK = """
import json
from scribe_suite.cli.measure import known_measurements
from scribe_suite.paths import suite_root
from scribe_suite.tasks.prompts import prompt_sha256
from scribe_suite.tasks.registry import default_registry
from scribe_suite.tasks.solutions import solution_text

found = {}
for task in default_registry().of_family("circuits", "real"):
    assert prompt_sha256(suite_root(), task)
    found[task.id] = [task.measurement.id, task.unavailable(), solution_text(suite_root(), task)]
print(json.dumps([found, list(known_measurements())]))
"""


@pytest.mark.slow
def test_a_task_is_added_and_taken_away_by_its_own_files_alone(tmp_path):
    root = suite_root()
    ignored = shutil.ignore_patterns("frozen", "measured", "__pycache__")
    shutil.copytree(root / "ground_truth", tmp_path / "ground_truth", ignore=ignored)
    shutil.copytree(root / "prompts", tmp_path / "prompts")
    (tmp_path / "ground_truth/circuits/alphabet_real.py").write_text(TASK)
    (tmp_path / "prompts/circuits/alphabet_real.md").write_text('{% extends "circuits/_real.md" %}\n')
    (tmp_path / "ground_truth/circuits/ioi_real.py").unlink()
    (tmp_path / "prompts/circuits/ioi_real.md").unlink()

    environment = {
        **os.environ,
        ROOT_VARIABLE: str(tmp_path),
        "SCRIBE_SUITE_CACHE": str(tmp_path / "cache"),
        "PYTHONPATH": str(root / "src"),
    }
    done = subprocess.run(
        [sys.executable, "-c", LOOK], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    tasks, measurements = json.loads(done.stdout.splitlines()[-1])
    assert "circuits/ioi_real" not in tasks
    measurement, unavailable, solution = tasks["circuits/alphabet_real"]
    assert measurement == "circuits/alphabet_real"
    assert measurement in measurements
    assert unavailable == "package:smollm2 is not ready: run `make real-models`."
    assert solution == tasks["circuits/induction_real"][2]
