"""Levels 3 and 4, where copies of a circuit share the labels: what keys say, and that it follows from the weights."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
import torch

from ground_truth.circuits.planted.shared import certify_shared
from ground_truth.circuits.planted.task import PlantedCircuitTask
from scribe_suite.paths import suite_root
from scribe_suite.planting.circuits.causal import circuit_of
from scribe_suite.planting.circuits.sharing_certificate import SHARED_EFFECT_BAR
from scribe_suite.planting.frozen import frozen_folder, frozen_models, list_frozen, load_frozen
from scribe_suite.tasks.prompts import render_prompt
from scribe_suite.tasks.registry import default_registry

LIMITS = {"agent_timeout_s": 900, "cell_timeout_s": 120, "max_turns": 30}
SHARED = [
    question
    for facts in default_registry().questions()
    if isinstance(question := default_registry()[facts.id], PlantedCircuitTask) and question.voices
]
every_task = pytest.mark.parametrize("name", [task.name for task in SHARED])


@cache
def task_of(name: str, level: int = 3) -> Any:
    return default_registry()[f"circuits/{name}_{level}"]


def every_shared_model():
    """The first of each task is slow, all others exhaustive."""
    return pytest.mark.parametrize(
        ("name", "model_name"),
        [
            pytest.param(task.name, path.stem, marks=pytest.mark.exhaustive if rank else pytest.mark.slow)
            for task in SHARED
            for rank, path in enumerate(list_frozen(frozen_folder(task_of(task.name))))
        ],
    )


@pytest.fixture(autouse=True, scope="module")
def _one_thread():
    torch.set_num_threads(1)


@every_task
def test_levels_3_and_4_have_models_of_their_own(name):
    third, fourth = task_of(name), task_of(name, 4)
    assert third.models_id == fourth.models_id == f"circuits/{name}_shared"
    assert default_registry()[f"circuits/{name}_2"].models_id == f"circuits/{name}"
    assert len(frozen_models(third)) == len(frozen_models(type(third)()))


@every_task
def test_the_key_is_the_union_of_copies_that_have_all_labels_once(name):
    task = task_of(name)
    sizes = set()
    for model in frozen_models(task).values():
        key, plan = model.record.key, task.plan(model.record.seed)
        assert sorted(label for voice in key["voices"] for label in voice["labels"]) == list(
            range(plan.causal.n_labels)
        )
        circuit = circuit_of(plan.correspondence)
        assert all(voice["nodes"].keys() == circuit for voice in key["voices"])
        union = {node for voice in key["voices"] for node in voice["nodes"].values()}
        assert {node for nodes in key["variables"].values() for node in nodes} == union
        assert circuit < union
        sizes.add(len(union))
    assert min(sizes) > 2
    assert len(sizes) > 1


@every_task
def test_effects_are_graded(name):
    effects = [
        check.value
        for model in frozen_models(task_of(name)).values()
        for check in model.record.certificate.checks
        if check.name.startswith("effect/resample/")
    ]
    assert min(effects) < 0.3
    assert max(effects) > 0.45


@every_task
def test_an_answer_that_ignores_the_model_is_not_worth_much(name):
    blind = task_of(name).blind
    assert 0.2 < blind.chance < 0.6
    assert len({frozenset(key) for key in blind.keys}) >= 5


@every_task
def test_the_prompt_states_the_bar_of_its_key(name):
    text, first = (render_prompt(suite_root(), task.instance(0), LIMITS) for task in (task_of(name), task_of(name, 2)))
    assert f"at least {100 * SHARED_EFFECT_BAR:g} percentage points" in text.replace("\n", " ")
    assert "at least 30 percentage points" in first.replace("\n", " ")


@every_shared_model()
def test_the_certificate_follows_from_the_weights(name, model_name):
    task = task_of(name)
    model = load_frozen(frozen_folder(task) / f"{model_name}.json", task)
    again = certify_shared(task, model.record.seed, model.weights, model.record.key)
    assert again.failures() == []
    stored = {check.name: check for check in model.record.certificate.checks}
    assert stored.keys() == {check.name for check in again.checks}
    for check in again.checks:
        assert (check.bar, check.direction) == (stored[check.name].bar, stored[check.name].direction)
        # a label may tip over where another machine rounds differently
        assert check.value == pytest.approx(stored[check.name].value, abs=5e-3), check.name


@pytest.mark.slow
def test_the_certificate_fails_where_one_copy_has_all_labels():
    task = task_of("ioi")
    model = next(iter(frozen_models(task).values()))
    before = next(iter(frozen_models(type(task)()).values()))
    assert model.record.base is not None
    assert model.record.base.sha256 == before.record.sha256
    failures = certify_shared(task, model.record.seed, before.weights, model.record.key).failures()
    assert any(failure.startswith("heard/") for failure in failures)
    assert any(failure.startswith("effect/resample/") for failure in failures)
