"""No circuit task pays an answer that found nothing out: guesses and rankings by size, over fresh instances."""

from __future__ import annotations

import json
import random
from functools import lru_cache
from typing import Any

import pytest
import torch
from safetensors.torch import load

from ground_truth.circuits.planted.task import PlantedCircuitTask
from scribe_suite.planting.circuits.patchable import PatchableTransformer
from scribe_suite.planting.hooked import ModelWeights
from scribe_suite.tasks.registry import default_registry
from scribe_suite.tasks.task import TaskInstance
from studies.degenerate import DEGENERATE, GUESSES, NORM_SCANS, Glance, glance

pytestmark = pytest.mark.slow

TASK_IDS = [task.id for task in default_registry().of_family("circuits") if isinstance(task, PlantedCircuitTask)]
#: Tasks of the same make as others that are tried here, at minutes each.
ALIKE = ("circuits/antonym", "circuits/attention_pattern", "circuits/backup_heads", "circuits/two_behaviours")
SEEDS = range(7000, 7020)
GUESS_BAR = 0.15
SCAN_BAR = 0.3


@pytest.fixture(autouse=True, scope="module")
def _one_thread():
    torch.set_num_threads(1)


@lru_cache(maxsize=1)  # twenty instances with what was measured on them take a gigabyte
def instances(task_id: str) -> tuple[TaskInstance, ...]:
    return tuple(default_registry()[task_id].instance(seed) for seed in SEEDS)


def skill(instance: TaskInstance, content: dict[str, Any]) -> float:
    answer = {"confidence": 0.5, "summary": "Cheap.", **content}
    return instance.task.score(instance, instance.answer_schema.parse(json.dumps(answer))).skill


def content_of(instance: TaskInstance, nodes: frozenset[str]) -> dict[str, Any]:
    """`nodes` in the form this task asks for: the commonest role for all of them, no idea what they compute."""
    fields = instance.answer_schema.model.model_fields
    content: dict[str, Any] = {}
    if "roles" in fields:
        return {**content, "roles": dict.fromkeys(sorted(nodes), "supports")}
    if "code" in fields:
        content["code"] = ""
    return {**content, "components": sorted(nodes)}


def key_of(instance: TaskInstance) -> frozenset[str]:
    oracle = instance.task.oracle_answer(instance)
    return frozenset(oracle["roles"] if "roles" in oracle else oracle["components"])


def seen_by_a_cheater(instance: TaskInstance) -> Glance:
    files = instance.public.files
    network = PatchableTransformer.from_weights(
        ModelWeights(json.loads(files["config.json"]), load(files["model.safetensors"]))
    )
    prompts = load(files["data.safetensors"])["prompts"]
    return glance(network, prompts, len(key_of(instance)), random.Random(instance.seed))


def mean_skills(task_id: str) -> dict[str, float]:
    """Mean skill of every degenerate answer over the instances."""
    total = dict.fromkeys(DEGENERATE, 0.0)
    for instance in instances(task_id):
        seen = seen_by_a_cheater(instance)
        known: dict[frozenset[str], float] = {}  # many rankings end in the same answer, and scoring runs the model
        for name, answer in DEGENERATE.items():
            nodes = answer(seen)
            if nodes not in known:
                known[nodes] = skill(instance, content_of(instance, nodes))
            total[name] += known[nodes]
    return {name: value / len(SEEDS) for name, value in total.items()}


@pytest.mark.parametrize("task_id", TASK_IDS)
def test_the_oracle_has_skill_one(task_id):
    for instance in instances(task_id):
        assert skill(instance, instance.task.oracle_answer(instance)) == pytest.approx(1.0, abs=1e-3)


@pytest.mark.parametrize(
    "task_id", [pytest.param(name, marks=pytest.mark.exhaustive if name in ALIKE else ()) for name in TASK_IDS]
)
def test_nothing_cheap_pays(task_id):
    # one test for all answers: they share instances and scores, which other workers would make again
    bars = {**dict.fromkeys(GUESSES, GUESS_BAR), **dict.fromkeys(NORM_SCANS, SCAN_BAR), "empty": 0.0}
    paid = mean_skills(task_id)
    assert set(paid) == set(bars)
    assert {name: round(paid[name], 3) for name, bar in bars.items() if paid[name] > bar} == {}
