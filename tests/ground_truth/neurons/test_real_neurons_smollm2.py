"""The neuron tasks on the real model itself: what was measured is what the model does, and cheap answers do not pay."""

from __future__ import annotations

import json
import random

import numpy as np
import pytest
import torch
from transformer_lens import HookedTransformer

from ground_truth.neurons.real.classes import class_named
from ground_truth.neurons.real.effects import class_rve, output_weights
from ground_truth.neurons.real.measurement import LOGIT_EFFECTS, PLACES, TEXT_SCAN, blocks_of
from ground_truth.neurons.real.properties import feature_values
from ground_truth.neurons.real.scan import scan
from ground_truth.neurons.real.task import MeasuredNeuronTask, MeasuredTextTask
from ground_truth.neurons.real.tokens import passages, pool_text, tagged_tokens, tokenizer_of, vocabulary
from scribe_suite.measurements.store import find_measured
from scribe_suite.models.evaluator import evaluator_model
from scribe_suite.planting.english import TaggedText
from scribe_suite.scoring.neuron_share import top
from scribe_suite.tasks import LetterAnswer
from scribe_suite.tasks.registry import default_registry

SPEC = "package:smollm2"
TEXTS = 24
TASKS = {task.name: task for task in default_registry().of_source("real") if isinstance(task, MeasuredNeuronTask)}
every_task = pytest.mark.parametrize("name", sorted(TASKS))
pytestmark = pytest.mark.real_models


@pytest.fixture(autouse=True, scope="module")
def _ready() -> None:
    for measurement in (TEXT_SCAN, LOGIT_EFFECTS):
        found = find_measured(measurement, SPEC)
        if isinstance(found, str):
            pytest.skip(found)
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def sample():
    """Sums of all candidates over a few hidden texts, one of each of so many addresses."""
    chosen = [block[number] for number in (0, 30, 60, 85) for block in blocks_of(passages("hidden"))]
    text = tagged_tokens(tokenizer_of(SPEC), tuple(chosen[:TEXTS]))
    return scan(evaluator_model(SPEC), text.tokens, feature_values(TEXT_SCAN.candidates, text, vocabulary(SPEC)))


def parsed(instance, content, **common):
    raw = {"confidence": 0.5, "summary": "why", "neurons": content, **common}
    return instance.answer_schema.parse(json.dumps(raw))


def skill(instance, columns) -> float:
    task = instance.task
    return float(task.score(instance, parsed(instance, task.submission(instance, columns))).skill)


@every_task
def test_the_certificate_holds(name) -> None:
    record = TASKS[name].measured().record
    assert record.certificate.passed
    assert TASKS[name].unavailable() is None


@every_task
def test_an_instance_is_drawn_without_running_the_model_and_always_the_same(name, monkeypatch) -> None:
    def run(*_inputs: object) -> None:
        pytest.fail("the model runs")

    monkeypatch.setattr(HookedTransformer, "forward", run)
    task = TASKS[name]
    first = task.instance(5)
    assert first.public == task.instance(5).public


@every_task
def test_the_oracle_has_all_of_the_skill(name) -> None:
    task = TASKS[name]
    for seed in range(6):
        instance = task.instance(seed)
        answer = instance.answer_schema.parse(json.dumps(task.oracle_answer(instance)))
        found = task.score(instance, answer)
        assert found.skill >= 0.99
        assert found.metrics["rve_share"] == pytest.approx(1.0, abs=1e-3)


@every_task
def test_answers_without_insight_have_no_skill(name) -> None:
    task = TASKS[name]
    norms = {
        "weights out": evaluator_model(SPEC).W_out.flatten(0, 1).norm(dim=1).numpy(),
        "weights in": evaluator_model(SPEC).W_in.transpose(1, 2).flatten(0, 1).norm(dim=1).numpy(),
    }
    for seed in range(4):
        instance = task.instance(seed)
        guess = task.random_answer(instance, random.Random(seed))["neurons"]
        assert task.score(instance, parsed(instance, guess)).skill <= 0.1
        empty = {} if instance.answer_schema.model is LetterAnswer else []
        assert task.score(instance, parsed(instance, empty)).skill <= 0.0
        opposite = [top(-asked.statistic, asked.places) for asked in instance.hidden.asked]
        assert skill(instance, opposite) < 0.0
        for label, values in norms.items():
            largest = [top(values, asked.places) for asked in instance.hidden.asked]
            assert skill(instance, largest) <= 0.25, label


def test_the_most_active_neurons_have_no_skill(sample) -> None:
    variance = sample.aa / sample.count - (sample.a / sample.count) ** 2
    for name in ("unigram_real", "syntax_real", "alphabet_real", "position_real"):
        instance = TASKS[name].instance(2)
        for values in (variance, np.abs(sample.a)):
            assert skill(instance, [top(values, asked.places) for asked in instance.hidden.asked]) <= 0.25


def test_hidden_texts_give_what_is_frozen(sample) -> None:
    """On a twentieth of the hidden text, so within sampling error; frequent properties only."""
    arrays = TASKS["syntax_real"].measured().arrays
    frozen = dict(zip(arrays["properties"].tolist(), arrays["rve"].astype(float), strict=True))
    found = sample.signed_rve()
    for wanted in ("alphabet/t", "syntax/current DT", "syntax/current NN", "unigram/and", "position/falling"):
        number = next(number for number, one in enumerate(TEXT_SCAN.candidates) if one.id == wanted)
        best = top(frozen[wanted], 20)
        assert np.corrcoef(found[number][best], frozen[wanted][best])[0, 1] > 0.8, wanted
        assert len(set(top(found[number], 10)) & set(best)) >= 6, wanted


def test_logit_effects_of_the_weights_are_what_is_frozen() -> None:
    task = TASKS["prediction_real"]
    arrays = task.measured().arrays
    for row in (0, 9, -1):
        statistic = task.effects(arrays["classes"].tolist()[row])
        best = [float(statistic[top(statistic, places)].mean()) for places in PLACES]
        np.testing.assert_allclose(best, arrays["reference"][row], atol=1e-4)


def test_the_best_neuron_of_a_class_raises_its_logits() -> None:
    model = evaluator_model(SPEC)
    instance = TASKS["prediction_real"].instance(4)
    (asked,) = instance.hidden.asked
    layer, neuron = divmod(asked.best[0], model.cfg.d_mlp)
    members = class_named(asked.name).members(vocabulary(SPEC))
    effects = model.W_out[layer, neuron] @ model.W_U
    assert effects[members].mean() > effects[~members].mean()
    explained = class_rve(output_weights(model)[asked.best[:1]], model.W_U.detach(), members[None])[0, 0]
    assert explained == pytest.approx(asked.statistic[asked.best[0]], abs=1e-6)


def test_public_and_hidden_texts_share_no_row() -> None:
    public, hidden = ({tuple(row) for row in pool_text(pool, SPEC).tokens.tolist()} for pool in ("public", "hidden"))
    assert len(public) > 200
    assert len(hidden) > 500
    assert not public & hidden


def test_a_choice_on_little_public_text_has_most_of_the_skill() -> None:
    """The reference in small: a third of its text is enough to be far above the control."""
    task = next(one for one in TASKS.values() if isinstance(one, MeasuredTextTask) and one.name == "syntax_real")
    text = pool_text("public", SPEC)
    part = TaggedText(text.tokens[::8], text.tags[::8])
    names = task.properties()
    properties = [one for one in TEXT_SCAN.candidates if one.kind is task.kind and one.name in names]
    found = scan(evaluator_model(SPEC), part.tokens, feature_values(properties, part, vocabulary(SPEC))).signed_rve()
    reached = []
    for row, one in enumerate(properties):
        asked = task.asked(one.name, 4)
        places = asked.scored(top(found[row], 4))
        reached.append((places.mean - asked.untrained) / (asked.reference - asked.untrained))
    assert np.mean(reached) > 0.8
    assert np.mean(np.asarray(reached) > 0.5) > 0.9
