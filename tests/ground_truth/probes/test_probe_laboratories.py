"""Probe tasks in laboratories: what levels grant, what agents get, and that solutions keep within the budget."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import load

from scribe_suite.paths import suite_root
from scribe_suite.planting.reference import reference_answer
from scribe_suite.plugin.worker.laboratories import Laboratories
from scribe_suite.sandbox.probing import probe_isolation
from scribe_suite.tasks import TaskInstance
from scribe_suite.tasks.registry import default_registry
from scribe_suite.tasks.solutions import solution_path
from tests.ground_truth.probes.probe_models import LABEL_FREE, TASKS, instance_of, task_of

REGISTRY = default_registry()
LEVELS = (2, 3, 4)
#: Where what the model says would be labels that an agent must do without.
WITHHELD = {*LABEL_FREE, "regularization"}
#: A task for each solution.
SOLVED = ("cities", "grammar", "greater_than", "greater_than_pca", "regularization")


def in_laboratory(name: str, level: int):
    return REGISTRY[f"probes/{name}_{level}"]


@pytest.mark.parametrize("name", TASKS)
def test_levels_get_tighter_and_share_base_models(name):
    tasks = [in_laboratory(name, level) for level in LEVELS]
    budgets = [task.terms.budget for task in tasks]
    assert budgets == sorted(set(budgets), reverse=True)
    assert {task.models_id for task in tasks} == {task_of(name).models_id}
    assert [task.access for task in tasks] == ["lab"] * len(LEVELS)
    assert task_of(name).access == "weights"
    assert [task.is_default for task in tasks] == [False] * len(LEVELS)


@pytest.mark.parametrize("name", TASKS)
@pytest.mark.parametrize("level", LEVELS)
def test_no_laboratory_gives_a_probe_away(name, level):
    """A gradient at the right place is the probe, and vectors of one's own search for it at the outputs."""
    terms = in_laboratory(name, level).terms
    assert not terms.operations & {"grad", "vector", "path"}
    assert terms.read_noise > 0
    assert (terms.returns == "nothing") == (name in WITHHELD)


@pytest.mark.parametrize("name", TASKS)
def test_there_is_no_black_box(name):
    assert set(REGISTRY.facts_of(f"probes/{name}").accesses) == {"weights", "lab"}
    assert set(REGISTRY.facts_of(f"probes/{name}_3").accesses) == {"weights", "lab"}


@pytest.mark.slow
@pytest.mark.parametrize("name", TASKS)
def test_a_scan_does_not_fit_the_tight_levels(name):
    facts = instance_of(name, 0).public.facts
    for level in (3, 4):
        terms = in_laboratory(name, level).terms
        # of regularization, statements can be made: its public ones are few
        statements = max(facts["n_statements"], 640)
        assert statements * facts["n_layers"] / terms.sites_per_run > 10 * terms.budget


@pytest.mark.slow
@pytest.mark.parametrize("name", LABEL_FREE)
def test_without_labels_the_laboratory_stands_for_the_activations(name):
    instance = type(task_of(name))(1, "lab").instance(0)
    weights, handed = instance_of(name, 0), instance.handed
    assert set(handed.files) == {"lab.py", "statements.safetensors", "vocabulary.json"}
    data = load(handed.files["statements.safetensors"])
    assert set(data) == {"tokens"}
    assert torch.equal(data["tokens"], weights.hidden.split.public.tokens)
    assert "activations" not in handed.setup_code
    assert set(weights.public.run_files) == {"config.json", "model.safetensors"}
    assert not set(weights.public.run_files) & set(weights.handed.files)


def solved(instance: TaskInstance, folder) -> tuple[float, int, int]:
    """Skill, spend and budget of the reference solution."""
    laboratories = Laboratories(probe_isolation("none"), ())
    outputs = folder / "attempt" / "outputs"
    outputs.mkdir(parents=True)
    try:
        with laboratories.desk(instance, outputs) as desk:
            answer = reference_answer(suite_root(), instance, desk=desk)
            status = desk.status()
            assert status.refused == 0
            return instance.task.score(instance, answer).skill, status.spent, status.total
    finally:
        laboratories.close()


@pytest.mark.slow
@pytest.mark.parametrize("name", SOLVED)
def test_a_reference_solution_spends_the_tight_budget_and_no_more(name, tmp_path):
    skill, spent, total = solved(in_laboratory(name, 3).instance(0), tmp_path)
    assert skill >= 0.8
    assert total - 2 < spent <= total


@pytest.mark.slow
@pytest.mark.parametrize("name", ["cities", "greater_than_pca"])
def test_a_reference_solution_answers_with_three_pairs(name, tmp_path):
    skill, spent, _ = solved(in_laboratory(name, 2).with_budget(7).instance(0), tmp_path)
    assert -1 <= skill <= 1
    assert spent == 6


@pytest.mark.parametrize("name", TASKS)
def test_every_laboratory_has_a_solution(name):
    assert solution_path(suite_root(), in_laboratory(name, 2)).is_file()
