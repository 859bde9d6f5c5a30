"""The steps and the certificate of a measurement of probes, on a small model that was never trained."""

from __future__ import annotations

import re
from types import SimpleNamespace

import pytest
import torch

from scribe_suite.measurements.store import packed, unpacked
from scribe_suite.planting.frozen import Certificate
from scribe_suite.planting.hooked import untrained_twin
from scribe_suite.tasks.registry import default_registry

default_registry()  # it makes the task files importable

from ground_truth.probes.real.measurement import POSITIONS, ProbeMeasurement, layer_at, layers_of  # noqa: E402
from ground_truth.probes.real.task import MeasuredProbeTask  # noqa: E402

torch.set_num_threads(1)

CONFIG = {
    "n_layers": 6,
    "n_heads": 1,
    "d_model": 6,
    "d_head": 2,
    "d_mlp": 4,
    "n_ctx": 24,
    "d_vocab": 300,
    "act_fn": "gelu",
    "normalization_type": "LN",
    "device": "cpu",
}


def measurement_of_fact(name):
    """The measurement of one question of probes/facts_real."""
    task = default_registry()["probes/facts_real"]
    assert isinstance(task, MeasuredProbeTask)
    asked = [question for question in task.measurement.questions() if question.name == name]
    return ProbeMeasurement("one_question", lambda: asked, summary="For tests.", cost="seconds")


def small_model(seed):
    model = untrained_twin(CONFIG, seed=seed)
    ids: dict[str, int] = {}
    model.to_tokens = lambda text: torch.tensor(
        [[0, *(ids.setdefault(word, len(ids) % 299 + 1) for word in re.findall(r"\w+|\.", text))]]
    )
    return model


@pytest.fixture(scope="module")
def results():
    context = SimpleNamespace(model=small_model(0), twin=small_model(1), progress=lambda *_: None)
    return {step.name: step.compute(context) for step in measurement_of_fact("symbol").steps()}


def test_there_are_two_steps_per_question(results):
    assert list(results) == ["symbol_model", "symbol_twin"]
    assert results["symbol_model"]["curve"].shape == (3, len(POSITIONS))


def test_a_model_that_knows_nothing_has_nothing_to_be_read_and_gets_no_certificate(results):
    checks = measurement_of_fact("symbol").checks(results)
    assert Certificate(checks=tuple(checks)).failures() == ["readable = 0, needs >= 1"]
    assert next(check for check in checks if check.name == "symbol/imbalance").value == 0.0


def test_what_is_frozen_gives_the_same_judgement(results):
    measurement = measurement_of_fact("symbol")
    arrays = unpacked(packed(measurement.kept(results)))
    judged = measurement.judgements(arrays)["symbol"]
    found = measurement.measured(arrays, "symbol", judged)
    assert judged.verdict != "readable"
    assert (found.readable, found.ceiling, found.twin) == (False, judged.ceiling, judged.twin)
    assert (found.layer in layers_of(6), found.position in POSITIONS) == (True, True)


def test_other_statements_are_other_inputs():
    symbol, again, animal = (measurement_of_fact(name) for name in ("symbol", "symbol", "animal"))
    assert symbol.inputs_sha256() == again.inputs_sha256()
    assert symbol.inputs_sha256() != animal.inputs_sha256()


def test_every_second_block_of_a_model_of_any_depth_is_measured():
    assert layers_of(30) == tuple(range(1, 30, 2))
    for depth in (2, 5, 30):
        assert [layer_at(index) for index in range(len(layers_of(depth)))] == list(layers_of(depth))
