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

from ground_truth.probes.real import questions  # noqa: E402
from ground_truth.probes.real.measurement import LAYERS, POSITIONS, ProbeMeasurement  # noqa: E402

torch.set_num_threads(1)

CONFIG = {
    "n_layers": max(LAYERS) + 1,
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


class OneQuestion(ProbeMeasurement):
    id, summary, cost = "probes/one_question", "For tests.", "seconds"

    def questions(self):
        return [question for question in questions.facts() if question.name == "symbol"]


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
    return {step.name: step.compute(context) for step in OneQuestion().steps()}


def test_there_are_two_steps_per_question(results):
    assert list(results) == ["symbol_model", "symbol_twin"]
    assert results["symbol_model"]["curve"].shape == (len(LAYERS), len(POSITIONS))


def test_a_model_that_knows_nothing_has_nothing_to_be_read_and_gets_no_certificate(results):
    checks = OneQuestion().checks(results)
    assert Certificate(checks=tuple(checks)).failures() == ["readable = 0, needs >= 1"]
    assert next(check for check in checks if check.name == "symbol/imbalance").value == 0.0


def test_what_is_frozen_gives_the_same_judgement(results):
    measurement = OneQuestion()
    arrays = unpacked(packed(measurement.kept(results)))
    judged = measurement.judgements(arrays)["symbol"]
    found = measurement.measured(arrays, "symbol", judged)
    assert judged.verdict != "readable"
    assert (found.readable, found.ceiling, found.twin) == (False, judged.ceiling, judged.twin)
    assert (found.layer in LAYERS, found.position in POSITIONS) == (True, True)


def test_other_statements_are_other_inputs():
    class Another(OneQuestion):
        def questions(self):
            return [question for question in questions.facts() if question.name == "animal"]

    assert OneQuestion().inputs_sha256() == OneQuestion().inputs_sha256()
    assert OneQuestion().inputs_sha256() != Another().inputs_sha256()
