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

from ground_truth.probes.real import measurement as measuring  # noqa: E402
from ground_truth.probes.real.measurement import POSITIONS, ProbeMeasurement, layer_at, layers_of  # noqa: E402
from ground_truth.probes.real.recipes import CONTROLS, FITS, RECIPES  # noqa: E402
from ground_truth.probes.real.task import MeasuredProbeTask  # noqa: E402

torch.set_num_threads(1)

ASKED = "capital_department"
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
    """Of a question about departments; activations of the untrained models are drawn once."""
    controls = {name: small_model(1 + number) for number, name in enumerate(CONTROLS)}
    context = SimpleNamespace(spec="", model=small_model(0), progress=lambda *_: None)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(measuring, "control_model", lambda _spec, name, _depth: controls[name])
        # as many fits as recipes, and a tenth of the time
        patched.setattr(measuring, "FITS", dict.fromkeys(FITS, FITS["difference of means"]))
        return {step.name: step.compute(context) for step in measurement_of_fact(ASKED).steps()}


def test_there_is_a_step_for_every_model(results):
    assert list(results) == [f"{ASKED}_model", *(f"{ASKED}_{control}" for control in CONTROLS)]
    assert results[f"{ASKED}_model"]["curve"].shape == (len(layers_of(6)), len(POSITIONS))
    assert len(results[f"{ASKED}_model"]["right"]) == len(FITS)
    assert sum(len(results[f"{ASKED}_{control}"]["right"]) for control in CONTROLS) == len(RECIPES)


def test_a_question_without_a_sibling_is_not_asked_and_gets_no_certificate(results):
    checks = measurement_of_fact(ASKED).checks(results)
    assert Certificate(checks=tuple(checks)).failures() == ["wordings with both verdicts = 0, needs >= 1"]
    assert next(check for check in checks if check.name == f"{ASKED}/imbalance").value == 0.0


def test_the_verdict_of_every_recipe_is_kept(results):
    kept = measurement_of_fact(ASKED).kept(results)
    assert kept[f"{ASKED}_verdicts/recipe"].tolist() == [recipe.name for recipe in RECIPES]
    assert set(kept[f"{ASKED}_verdicts/verdict"]) <= {"readable", "null", "open"}


def test_what_is_frozen_gives_the_same_judgement(results):
    measurement = measurement_of_fact(ASKED)
    arrays = unpacked(packed(measurement.kept(results)))
    judged = measurement.judgements(arrays)[ASKED]
    found = measurement.measured(arrays, ASKED, judged)
    assert judged.verdict != "readable"
    assert (found.readable, found.ceiling, found.twin) == (False, judged.base.ceiling, judged.base.twin)
    assert (found.layer in layers_of(6), found.position in POSITIONS) == (True, True)


def test_other_statements_are_other_inputs():
    one, again, other = (measurement_of_fact(name) for name in (ASKED, ASKED, "kind_animal"))
    assert one.inputs_sha256() == again.inputs_sha256()
    assert one.inputs_sha256() != other.inputs_sha256()


def test_every_fourth_block_from_the_middle_of_a_model_of_any_depth_is_measured():
    assert layers_of(30) == (5, 9, 13, 17)
    for depth in (6, 12, 30):
        assert 0 < max(layers_of(depth)) < depth
        assert [layer_at(index) for index in range(len(layers_of(depth)))] == list(layers_of(depth))
