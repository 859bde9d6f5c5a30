"""neurons/explain_real on the real model: what is frozen is what the model does, and cheap theories do not pay."""

from __future__ import annotations

import json
import random

import numpy as np
import pytest
import torch

from ground_truth.neurons.explain_real import ExplainReal
from ground_truth.neurons.explained_real.levels import LEVELS
from ground_truth.neurons.explained_real.measurement import EXPLAIN_SCAN, FEWEST_NEURONS, SMALLEST_LEAD
from ground_truth.neurons.real.tokens import pool_text
from scribe_suite.measurements.store import find_measured
from scribe_suite.models.evaluator import evaluator_model

SPEC = "package:smollm2"
TASKS = {level: ExplainReal(level) for level in LEVELS}
every_level = pytest.mark.parametrize("level", LEVELS)
pytestmark = pytest.mark.real_models


@pytest.fixture(autouse=True, scope="module")
def _ready() -> None:
    found = find_measured(EXPLAIN_SCAN, SPEC)
    if isinstance(found, str):
        pytest.skip(found)
    torch.set_num_threads(1)


def skill(instance, code: str) -> float:
    answer = {"code": code, "confidence": 0.5, "summary": "why"}
    return float(instance.task.score(instance, instance.answer_schema.parse(json.dumps(answer))).skill)


def test_the_certificate_holds_and_every_level_has_neurons() -> None:
    assert TASKS[1].measured().record.certificate.passed
    assert {level: len(task.pool()) >= FEWEST_NEURONS for level, task in TASKS.items()} == dict.fromkeys(LEVELS, True)
    arrays = TASKS[1].measured().arrays
    assert (arrays["ceiling"] - arrays["chance"]).min() >= SMALLEST_LEAD - 1e-6
    assert not set(map(tuple, arrays["tokens"].tolist())) & set(map(tuple, pool_text("public", SPEC).tokens.tolist()))


def test_what_is_frozen_is_what_the_model_does() -> None:
    arrays, model = TASKS[1].measured().arrays, evaluator_model(SPEC)
    rows = torch.from_numpy(arrays["tokens"][:2].astype(np.int64))
    names = arrays["neurons"].tolist()
    places = [tuple(map(int, name.removeprefix("L").split(".N"))) for name in names]
    points = [f"blocks.{layer}.mlp.hook_post" for layer in {layer for layer, _ in places}]
    with torch.inference_mode():
        _, cache = model.run_with_cache(rows, return_type=None, names_filter=points)
    for number, (layer, neuron) in enumerate(places):
        found = cache[f"blocks.{layer}.mlp.hook_post"][:, 1:, neuron].numpy()
        assert found == pytest.approx(arrays["activations"][number, :2, 1:], abs=0.02, rel=0.01)


@every_level
def test_the_oracle_has_all_of_the_skill_and_who_has_not_looked_none(level) -> None:
    instance = TASKS[level].instance(0)
    assert skill(instance, TASKS[level].oracle_answer(instance)["code"]) == 1.0
    assert skill(instance, instance.answer_schema.example["code"]) <= 0
    assert skill(instance, TASKS[level].random_answer(instance, random.Random(0))["code"]) <= 0.05
