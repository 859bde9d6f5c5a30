"""neurons/explain: what an agent gets, what is right, and that nothing but a theory of the neuron pays."""

from __future__ import annotations

import json
import random
import re
from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest
import torch
from safetensors.torch import load

from ground_truth.neurons import explain
from ground_truth.neurons.explain import Explain
from ground_truth.neurons.explained.levels import FORMS
from ground_truth.neurons.planted.base import base_models
from scribe_suite.errors import AnswerError, InfrastructureError
from scribe_suite.paths import suite_root
from scribe_suite.planting.hooked import build_model
from scribe_suite.planting.neurons.compound.rules import without
from scribe_suite.planting.neurons.measure import next_token_loss
from scribe_suite.planting.reference import reference_answer
from scribe_suite.scoring.explanation import FIRES
from scribe_suite.tasks.prompts import render_prompt
from scribe_suite.tasks.registry import default_registry
from scribe_suite.tasks.task import Score, TaskInstance
from studies.explanation_answers import other_rules, rare_tokens

TASKS = {level: Explain(level) for level in FORMS}
LIMITS = {"agent_timeout_s": 900, "cell_timeout_s": 120, "max_turns": 30}
#: Skill of an answer that found nothing out, at most.
BAR = 0.05

every_level = pytest.mark.parametrize("level", TASKS)


@pytest.fixture(autouse=True, scope="module")
def _one_thread():
    torch.set_num_threads(1)


@lru_cache(maxsize=6)
def instance_of(level: int, seed: int) -> TaskInstance:
    return TASKS[level].instance(seed)


def scored(instance: TaskInstance, predicted: dict[str, np.ndarray]) -> dict[str, float]:
    """Skill of predictions of ours, neuron by neuron."""
    found = {}
    for name, truth in instance.hidden.truths.items():
        score = truth.metrics(predicted[name])["score"]
        found[name] = max(-1.0, (score - truth.chance) / (truth.ceiling - truth.chance))
    return found


def submitted(instance: TaskInstance, **content) -> Score:
    answer = {"confidence": 0.5, "summary": "Some.", **content}
    return instance.task.score(instance, instance.answer_schema.parse(json.dumps(answer)))


# --- instances --------------------------------------------------------------------------------------------------------


def test_the_registry_finds_all_levels_and_the_first_runs_by_default():
    found = {facts.level: facts.is_default for facts in default_registry().facts.values() if facts.name == "explain"}
    assert found == {1: True, 2: False, 3: False}
    assert {task.access for task in TASKS.values()} == {"weights", "lab"}


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others():
    first, again, other = TASKS[1].instance(5), instance_of(1, 5), TASKS[1].instance(6)
    assert first.public.files == again.public.files
    assert first.hidden.rules == again.hidden.rules
    same = {name for name, content in first.public.files.items() if content == other.public.files[name]}
    assert same <= {"config.json", "tag_names.json"}
    assert list(first.hidden.rules.values()) != list(other.hidden.rules.values())


@every_level
def test_agents_get_text_and_neurons_and_no_word_of_the_rules(level):
    instance = instance_of(level, 0)
    assert set(load(instance.public.files["text.safetensors"])) == {"tokens", "tags"}
    assert instance.public.facts["neurons"] == list(instance.hidden.rules)
    public = render_prompt(suite_root(), instance, LIMITS) + json.dumps(dict(instance.public.facts))
    public += instance.public.setup_code + instance.public.files["question.json"].decode()
    secrets = [instance.base_model, "seed", "frozen", "planted", "decoy", "symmetr", "alternative", "conjunction"]
    secrets += [condition.name for rule in instance.hidden.rules.values() for condition in rule.conditions]
    assert [word for word in secrets if re.search(rf"(?<![a-z]){word}(?![a-z])", public, re.IGNORECASE)] == []


@every_level
def test_hidden_texts_are_not_public(level):
    instance = instance_of(level, 0)
    public = set(map(tuple, load(instance.public.files["text.safetensors"])["tokens"].tolist()))
    assert not public & set(map(tuple, instance.hidden.rows))


def test_nobody_starts_on_what_can_not_be_scored(monkeypatch):
    def none():
        raise InfrastructureError("sandbox", "no sandbox here")

    monkeypatch.setattr(explain, "require_sandbox", none)
    with pytest.raises(InfrastructureError, match="no sandbox here"):
        TASKS[1].instance(0)


def test_what_is_right_is_what_the_neuron_does():
    instance = instance_of(1, 0)
    (name,), hidden = instance.hidden.rules, instance.hidden
    layer, neuron = map(int, name.removeprefix("L").split(".N"))
    with torch.no_grad():
        _, cache = build_model(hidden.weights).run_with_cache(torch.tensor(hidden.rows[:20]))
    found = cache[f"blocks.{layer}.mlp.hook_post"][..., neuron].flatten().numpy()
    assert found == pytest.approx(hidden.truths[name].activations[: len(found)], abs=1e-3)


def test_answers_are_refused_with_a_word_on_what_to_change():
    one, three = instance_of(1, 0), instance_of(2, 0)
    with pytest.raises(AnswerError, match=r"must be callable with two arguments, as in `def predict\(tokens, neuron\)"):
        submitted(three, code="def predict(tokens):\n    return tokens\n")
    with pytest.raises(AnswerError, match=r"must be callable with one argument, as in `def predict\(tokens\)"):
        submitted(one, code="def predict(tokens, neuron):\n    return tokens\n")
    with pytest.raises(AnswerError, match="at most 20000 characters"):
        submitted(one, code="def predict(tokens):\n    return tokens\n" + "#" * 20_000)
    with pytest.raises(AnswerError, match="is not Python: "):
        submitted(one, code="def predict(tokens)")


# --- what pays --------------------------------------------------------------------------------------------------------


@every_level
def test_the_rule_follows_the_neuron_in_every_stratum(level):
    instance = instance_of(level, 0)
    for name, rule in instance.hidden.rules.items():
        truth = instance.hidden.truths[name]
        metrics = truth.metrics(instance.hidden.values(rule))
        assert min(metrics["score"], metrics["near"], metrics["elsewhere"]) >= 0.98
        assert metrics["score"] == truth.ceiling
        assert 0.3 < truth.chance < 0.87
        if len(rule.alternatives) > 1:
            assert metrics["within"] > 0.85
        assert (truth.stratum == FIRES).sum() > 40


@every_level
def test_the_oracle_has_skill_one_and_every_metric(level):
    instance = instance_of(level, 0)
    score = submitted(instance, code=TASKS[level].oracle_answer(instance)["code"])
    assert score.skill == pytest.approx(1, abs=1e-6)
    assert tuple(score.metrics) == Explain.metrics
    assert score.flags == ()


@every_level
def test_nothing_cheap_pays(level):
    instance = instance_of(level, 0)
    rng = np.random.default_rng(0)
    hidden = instance.hidden
    right = {name: hidden.values(rule) for name, rule in hidden.rules.items()}
    size = len(next(iter(right.values())))
    cheap = {
        "nothing": {name: np.zeros(size) for name in right},
        "everything": {name: np.ones(size) for name in right},
        "position": {name: np.tile(np.arange(64.0), size // 64) for name in right},
        "at random": {name: rng.random(size) for name in right},
        "sign flipped": {name: -values for name, values in right.items()},
        "one token late": {name: np.roll(values, 1) for name, values in right.items()},
    }
    found = {name: np.mean(list(scored(instance, predicted).values())) for name, predicted in cheap.items()}
    assert {name: skill for name, skill in found.items() if skill > BAR} == {}


@every_level
def test_a_theory_without_one_condition_is_worth_less_and_without_all_but_one_nothing(level):
    instance = instance_of(level, 0)
    hidden = instance.hidden
    for name, rule in hidden.rules.items():
        for dropped in range(len(rule.conditions)):
            skill = scored(instance, {one: hidden.values(without(rule, dropped)) for one in hidden.rules})[name]
            assert skill < 0.9, (name, dropped)
        alone = rule
        while len(alone.conditions) > 1:
            alone = without(alone, 1)
        # what is left may be about several places, which is more than a list for one of them
        assert scored(instance, {one: hidden.values(alone) for one in hidden.rules})[name] <= 0.25


def test_answers_are_run_in_the_sandbox():
    instance = instance_of(1, 0)
    score = submitted(instance, code="def predict(tokens):\n    raise ValueError('no')\n")
    assert (score.skill, score.flags) == (-1.0, ("function_failed",))
    assert score.notes[0] == "The submitted function raised ValueError at line 2: no."
    assert submitted(instance, code="").skill == -1.0
    assert submitted(instance, code=instance.answer_schema.example["code"]).skill <= 0
    drawn = TASKS[1].random_answer(instance, random.Random(0))
    assert submitted(instance, code=drawn["code"]).skill <= BAR


@pytest.mark.slow
@every_level
def test_answers_of_somebody_who_has_not_looked_have_no_skill(level):
    instance = instance_of(level, 0)
    for solver in (other_rules, rare_tokens):
        skill = solver(lambda one, content: submitted(one, **content).skill)(instance)
        assert skill is not None
        assert skill <= BAR


@every_level
@pytest.mark.parametrize("base", base_models(TASKS[1]), ids=lambda base: base.name.rpartition("/")[2])
@pytest.mark.exhaustive
def test_rules_follow_their_neurons_in_every_base_model_and_it_still_models_the_language(level, base):
    for seed in range(3):
        hidden = TASKS[level].instance_of(base, 4000 + seed).hidden
        for name, rule in hidden.rules.items():
            metrics = hidden.truths[name].metrics(hidden.values(rule))
            assert min(metrics["score"], metrics["near"], metrics["elsewhere"]) >= 0.98, rule.described()
            assert hidden.truths[name].chance < 0.9, rule.described()
        tokens = hidden.text.tokens[:100]
        before = next_token_loss(build_model(base.weights), tokens).mean()
        after = next_token_loss(build_model(hidden.weights), hidden.symmetry.tokens(tokens)).mean()
        assert after - before < 0.1


@pytest.mark.slow
def test_texts_of_two_hidden_samples_have_the_same_ceiling():
    instance = instance_of(1, 0)
    other = replace(instance.hidden, text_seed=instance.hidden.text_seed + 1)
    for name, truth in instance.hidden.truths.items():
        assert other.truths[name].ceiling == pytest.approx(truth.ceiling, abs=0.01)
        assert other.truths[name].chance == pytest.approx(truth.chance, abs=0.1)


@pytest.mark.slow
@pytest.mark.parametrize("level", [1, 2])
def test_the_reference_solution_solves_an_instance(level):
    instance = instance_of(level, 1)
    answer = reference_answer(suite_root(), instance, timeout_s=1800)
    assert instance.task.score(instance, answer).skill >= 0.9
