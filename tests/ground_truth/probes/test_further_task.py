"""A further probe task on models that are frozen already: three files, one command, and nothing is trained."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from scribe_suite.errors import FrozenModelError
from scribe_suite.paths import ROOT_VARIABLE, suite_root
from scribe_suite.planting.frozen import Certificate, Check, frozen_folder, load_frozen, save_frozen
from scribe_suite.planting.hooked import untrained_twin, weights_of
from scribe_suite.planting.statements.language import Statements, Texts, draw_manner, frame
from scribe_suite.planting.statements.world import World, vocabulary
from scribe_suite.scoring.probes import fit_probe
from scribe_suite.tasks.registry import default_registry

default_registry()  # it makes the task files importable

from ground_truth.probes.planted.split import Split, labelled  # noqa: E402
from ground_truth.probes.planted.task import PlantedProbeTask  # noqa: E402

SYLLABLES = ("ba", "be", "bi", "bo", "ca", "ce", "ci", "co")
OTHERS_CHECK = Check(name="reference/others", value=1.0, bar=0.9, direction=">=")
#: A further task on the models of probes/grammar, with its prompt and its solution.
FURTHER_TASK = '''"""Whether a sentence is grammatical, once more."""

from ground_truth.probes.grammar import Grammar


class Agreement(Grammar):
    """The question of probes/grammar under another name, so with other instances."""

    name = "agreement"
'''
#: A further task on a real model; it shares the reference solution of the others.
FURTHER_REAL_TASK = '''"""Which thing has which colour."""

from ground_truth.probes.real.measurement import ProbeMeasurement
from ground_truth.probes.real.statements import Question, Relation
from ground_truth.probes.real.task import MeasuredProbeTask


def questions() -> list[Question]:
    """One relation."""
    colours = {f"thing {number}": ("red", "green", "blue")[number % 3] for number in range(200)}
    return [Relation("colour", "the statement about a colour is true", colours, ("the colour of {x} is {y}.",))]


class ColoursReal(MeasuredProbeTask):
    """Read from a real model which colour something has."""

    name = "colours_real"
    summary = "for tests"
    measurement = ProbeMeasurement(name, questions, summary="what is read about colours", cost="a minute")
'''
MEASURED = """\
from scribe_suite.paths import suite_root
from scribe_suite.tasks.registry import default_registry
from scribe_suite.tasks.solutions import solution_path
task = default_registry()["probes/colours_real"]
print(len(task.measurement.steps()), solution_path(suite_root(), task).name)
"""
DRAW = """\
from scribe_suite.tasks.registry import default_registry
print(default_registry()["probes/agreement"].instance(5).base_model)
"""


class SmallWorld(World):
    """Statements ``<bos> ba , sir .``, true where the syllable begins with b."""

    words = vocabulary(SYLLABLES)
    content_length = 1
    window = 4
    d_model, n_layers, d_mlp = 16, 4, 32

    def sample_statements(self, size: int, generator: torch.Generator) -> Statements:
        chosen = torch.randint(len(SYLLABLES), (size, 1), generator=generator)
        return frame(chosen + self.words.index(SYLLABLES[0]), chosen[:, 0] < 4, *draw_manner(size, generator))

    def other_texts(self, size: int, generator: torch.Generator) -> Mapping[str, Texts]:
        return {}


class SmallTask(PlantedProbeTask):
    name, models, summary = "syllables", "syllables", "For tests."

    def world(self, seed: int) -> SmallWorld:
        return SmallWorld()

    def draw_split(self, seed: int) -> Split:
        generator = torch.Generator().manual_seed(seed)
        sides = [SmallWorld().sample_statements(80, generator) for _ in range(2)]
        return Split(*(labelled(side, torch.arange(80)) for side in sides))

    def recipe(self, hidden: np.ndarray, public: Any) -> Any:
        return fit_probe(hidden, public.labels, 0.1)


@pytest.fixture
def small(tmp_path, monkeypatch):
    """A checkout with two untrained models that were certified for another task."""
    for folder in ("ground_truth", "prompts"):
        (tmp_path / folder).mkdir()
    monkeypatch.setenv(ROOT_VARIABLE, str(tmp_path))
    task, config = SmallTask(), SmallWorld().config()
    for seed in (0, 2):
        weights = weights_of(untrained_twin(config, seed), config)
        save_frozen(frozen_folder(task), task, seed, weights, {}, Certificate(checks=(OTHERS_CHECK,)), {})
    return task


def test_an_instance_says_which_command_certifies_the_models_for_its_task(small):
    with pytest.raises(FrozenModelError) as raised:
        small.instance(0)
    assert str(raised.value) == (
        "The base models probes/syllables of seeds 0,2 are not certified for probes/syllables: add its checks with "
        "`scribe-suite plant probes/syllables --seeds 0,2`, which trains nothing."
    )


def test_a_model_that_does_not_know_the_truth_is_not_certified_for_the_task(small):
    path = frozen_folder(small) / "seed0.json"
    before = path.read_bytes()
    with pytest.raises(FrozenModelError, match=r"is not certified for probes/syllables, because checks fail: .*_max"):
        small.add_checks(0, lambda *_: None)
    assert path.read_bytes() == before


def test_tasks_that_were_there_when_their_models_were_frozen_miss_no_checks():
    for task in default_registry().of_family("probes", "planted"):
        assert isinstance(task, PlantedProbeTask)
        assert task.add_checks(0, lambda *_: None) is False, task.id


@pytest.fixture
def checkout(tmp_path) -> Path:
    """A checkout with one base model of probes/grammar, and a further task on it."""
    source = suite_root()
    shutil.copytree(
        source / "ground_truth", tmp_path / "ground_truth", ignore=shutil.ignore_patterns("frozen", "measured")
    )
    shutil.copytree(source / "prompts", tmp_path / "prompts")
    frozen = tmp_path / "ground_truth/frozen/probes/sentences"
    frozen.mkdir(parents=True)
    for ending in ("json", "safetensors"):
        shutil.copy(source / f"ground_truth/frozen/probes/sentences/seed0.{ending}", frozen)
    (tmp_path / "ground_truth/probes/agreement.py").write_text(FURTHER_TASK)
    for folder, ending in (("prompts", "md"), ("ground_truth/solutions", "py")):
        shutil.copy(tmp_path / folder / f"probes/grammar.{ending}", tmp_path / folder / f"probes/agreement.{ending}")
    return tmp_path


def in_checkout(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    source = str(Path(sys.modules["scribe_suite"].__path__[0]).parent)
    environment = {**os.environ, ROOT_VARIABLE: str(folder), "PYTHONPATH": source, "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.slow
def test_three_files_and_one_command_make_a_task(checkout):
    folder = checkout / "ground_truth/frozen/probes/sentences"
    weights, before = (folder / "seed0.safetensors").read_bytes(), json.loads((folder / "seed0.json").read_text())
    refused = in_checkout(checkout, "-c", DRAW)
    assert "add its checks with `scribe-suite plant probes/agreement --seeds 0`, which trains nothing" in refused.stderr
    planted = in_checkout(checkout, "-m", "scribe_suite.cli", "plant", "probes/agreement", "--seeds", "0")
    assert planted.returncode == 0, planted.stdout + planted.stderr
    drawn = in_checkout(checkout, "-c", DRAW)
    assert drawn.stdout.strip() == "probes/sentences/seed0", drawn.stderr
    after = json.loads((folder / "seed0.json").read_text())
    earlier = before["certificate"]["checks"]
    assert (folder / "seed0.safetensors").read_bytes() == weights
    assert after["certificate"]["checks"][: len(earlier)] == earlier
    renamed = {one["name"].replace("grammar", "agreement"): one for one in earlier if "grammar" in one["name"]}
    added = {one["name"]: one for one in after["certificate"]["checks"][len(earlier) :]}
    assert set(added) == set(renamed)
    for name, one in added.items():  # the same question on the same splits; only reference instances are others
        assert one["value"] == pytest.approx(renamed[name]["value"], abs=0.05), name
    assert load_frozen(folder / "seed0.json", default_registry().planted("probes/grammar"))


@pytest.mark.slow
def test_a_real_task_is_its_file_its_prompt_and_a_measurement(checkout):
    (checkout / "ground_truth/probes/colours_real.py").write_text(FURTHER_REAL_TASK)
    shutil.copy(checkout / "prompts/probes/facts_real.md", checkout / "prompts/probes/colours_real.md")
    found = in_checkout(checkout, "-c", MEASURED)
    assert found.stdout.split() == ["5", "real.py"], found.stderr
    listed = in_checkout(checkout, "-m", "scribe_suite.cli", "measure")
    assert "probes/colours_real" in listed.stdout, listed.stderr
