"""Answers without insight have no skill in any neuron task: sizes, norms, activity, random models, near misses."""

from __future__ import annotations

import json
import random
import statistics
from collections.abc import Callable
from functools import cache

import pytest
import torch
from jaxtyping import Float
from torch import Tensor

from ground_truth.neurons.planted import hidden as _hidden
from ground_truth.neurons.planted.hidden import AskedQuestion
from ground_truth.neurons.planted.language_model import KINDS
from scribe_suite.planting.english import sample_text
from scribe_suite.planting.hooked import build_model, untrained_twin
from scribe_suite.planting.neurons.measure import all_neurons, neuron_activations, variance_explained
from scribe_suite.planting.neurons.survey import CONTEXT
from tests.ground_truth.neurons.neuron_models import LANGUAGE_MODELS, SEEDS, TASKS, Chosen, View, submit

#: Public texts that rules look at.
_ROWS = 150
_HIGHEST_SKILL = 0.1

Rule = Callable[[View], Chosen]

every_task = pytest.mark.parametrize("task_name", TASKS)


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> None:
    torch.set_num_threads(1)


def for_every_question(choose: Callable[[View, AskedQuestion], list[str]]) -> Rule:
    return lambda view: {asked.question.name: choose(view, asked) for asked in view.hidden.asked}


def largest(measure: Callable[[View], Float[Tensor, " neuron"]]) -> Rule:
    """As many neurons as the key has, or one."""

    def choose(view: View) -> Chosen:
        values = measure(view)
        return {asked.question.name: view.top(values, max(1, len(asked.neurons))) for asked in view.hidden.asked}

    return choose


def norms(weight: str, dim: int) -> Callable[[View], Float[Tensor, " neuron"]]:
    def measure(view: View) -> Float[Tensor, " neuron"]:
        state = view.hidden.weights.state
        layers = range(int(view.hidden.weights.config["n_layers"]))
        return torch.cat([state[f"blocks.{layer}.mlp.{weight}"].norm(dim=dim) for layer in layers])

    return measure


def shown_in_the_example(view: View) -> Chosen:
    shown = view.instance.answer_schema.example["neurons"]
    if isinstance(shown, dict):
        return {letter: [neuron] if neuron else [] for letter, neuron in shown.items()}
    return {view.hidden.asked[0].question.name: shown}


def best_of_an_untrained_twin(view: View) -> Chosen:
    twin = untrained_twin(view.hidden.weights.config, view.instance.seed)
    features = torch.stack([view.feature(asked) for asked in view.hidden.asked], dim=1)
    explained = variance_explained(neuron_activations(twin, view.text["tokens"]), features)
    return {
        asked.question.name: view.top(asked.question.statistic(explained[:, column]), max(1, len(asked.neurons)))
        for column, asked in enumerate(view.hidden.asked)
    }


def random_neurons(view: View) -> Chosen:
    rng = random.Random(view.instance.seed)
    return {one.question.name: rng.sample(view.names, max(1, len(one.neurons))) for one in view.hidden.asked}


def one_key_neuron_for_all_letters(view: View) -> Chosen:
    neuron = min(view.hidden.neurons)
    return {asked.question.name: [neuron] for asked in view.hidden.asked}


def keys_of_the_next_letter(view: View) -> Chosen:
    keys = [sorted(asked.neurons) for asked in view.hidden.asked]
    return {asked.question.name: found for asked, found in zip(view.hidden.asked, [*keys[1:], keys[0]], strict=True)}


RULES: dict[str, Rule] = {
    "nothing": for_every_question(lambda *_: []),
    "everything": for_every_question(lambda view, _: view.names),
    "complement of the key": for_every_question(
        lambda view, asked: [name for name in view.names if name not in asked.neurons]
    ),
    "first neurons of every layer": for_every_question(
        lambda view, _: [name for name in view.names if name.endswith((".N0", ".N1"))]
    ),
    "the example": shown_in_the_example,
    "random": random_neurons,
    "largest input norms": largest(norms("W_in", 0)),
    "largest output norms": largest(norms("W_out", 1)),
    "smallest output norms": largest(lambda view: -norms("W_out", 1)(view)),
    "most active": largest(lambda view: view.activations.mean(0)),
    "largest peaks": largest(lambda view: view.activations.amax(0)),
    "largest variance": largest(lambda view: view.activations.var(0)),
    "best of an untrained twin": best_of_an_untrained_twin,
    "near misses": for_every_question(lambda _, asked: sorted(asked.near_misses)),
    "keys of all other questions": for_every_question(lambda view, asked: view.of_other_questions(asked)),
}
LETTER_RULES: dict[str, Rule] = {
    "one key neuron for all letters": one_key_neuron_for_all_letters,
    "keys of the next letter": keys_of_the_next_letter,
}


def rules_of(task_name: str) -> dict[str, Rule]:
    return RULES | (LETTER_RULES if task_name == "alphabet" else {})


@cache
def skills(task_name: str) -> dict[str, list[float]]:
    """Skill of every rule on every instance; an instance is forgotten before the next one is made."""
    found: dict[str, list[float]] = {name: [] for name in (*rules_of(task_name), "opposite", "drawn by the task")}
    with pytest.MonkeyPatch.context() as patch:
        # what is measured on held-out text is no part of skill, and slow for all neurons
        patch.setattr(_hidden, "_HIDDEN_ROWS", 5)
        for seed in SEEDS:
            view = View(TASKS[task_name].instance(seed), _ROWS)
            for name, rule in rules_of(task_name).items():
                found[name].append(submit(view.instance, rule(view)).skill)
            if len(view.hidden.asked) == 1 and view.opposite():
                opposite = {view.hidden.asked[0].question.name: view.opposite()}
                found["opposite"].append(submit(view.instance, opposite).skill)
            answer = view.instance.task.random_answer(view.instance, random.Random(seed))
            parsed = view.instance.answer_schema.parse(json.dumps(answer))
            found["drawn by the task"].append(view.instance.task.score(view.instance, parsed).skill)
    return found


@pytest.mark.parametrize(
    ("task_name", "rule"), [(task, rule) for task in TASKS for rule in (*rules_of(task), "drawn by the task")]
)
@pytest.mark.slow
def test_an_answer_without_insight_has_no_skill(task_name: str, rule: str) -> None:
    found = skills(task_name)[rule]
    assert len(found) == len(SEEDS)
    assert statistics.mean(found) <= _HIGHEST_SKILL


@cache
def overlaps(rule: str) -> dict[str, list[float]]:
    """Kind of questions -> F1 of as many neurons as the key has, the largest by a rule that knows no question.

    Over every question of every base model, which no draw of instances covers; symmetries change neither side.
    """
    found: dict[str, list[float]] = {kind.id: [] for kind in KINDS}
    text = sample_text(77, _ROWS, CONTEXT)
    for base in LANGUAGE_MODELS:
        state, layers = base.weights.state, range(int(base.weights.config["n_layers"]))
        if rule.endswith("norm"):
            weight, dim = ("W_in", 0) if rule == "input norm" else ("W_out", 1)
            values = torch.cat([state[f"blocks.{layer}.mlp.{weight}"].norm(dim=dim) for layer in layers])
        else:
            activations = neuron_activations(build_model(base.weights), text.tokens)
            values = activations.mean(0) if rule == "activity" else activations.amax(0)
        neurons = all_neurons(len(layers), int(base.weights.config["d_mlp"]))
        ranked = [str(neurons[i]) for i in values.argsort(descending=True).tolist()]
        for question, named in base.key.items():
            if key := frozenset(named["key"]):
                found[question.partition("/")[0]].append(len(key & set(ranked[: len(key)])) / len(key))
    return found


@pytest.mark.slow
@pytest.mark.parametrize("rule", ["activity", "peak", "input norm", "output norm"])
def test_no_look_at_size_or_activity_finds_the_keys_of_all_questions(rule: str) -> None:
    for kind, found in overlaps(rule).items():
        assert len(found) >= 2 * len(LANGUAGE_MODELS)
        assert statistics.mean(found) <= _HIGHEST_SKILL, kind


@every_task
@pytest.mark.slow
def test_saying_nothing_never_pays(task_name: str) -> None:
    assert max(skills(task_name)["nothing"]) <= 0.0


@pytest.mark.parametrize("task_name", ["position", "position_1"])
@pytest.mark.slow
def test_neurons_that_go_the_opposite_way_have_no_skill(task_name: str) -> None:
    found = skills(task_name)["opposite"]
    assert found, "no instance asks a question that has an opposite"
    assert max(found) <= 0.0


@pytest.mark.slow
@every_task
def test_near_misses_beside_the_key_cost(task_name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_hidden, "_HIDDEN_ROWS", 5)
    for seed in SEEDS[:3]:
        instance = TASKS[task_name].instance(seed)
        asked = instance.hidden.asked
        right = submit(instance, {one.question.name: sorted(one.neurons) for one in asked})
        # a letter has room for one neuron: there, near misses go where there is no right one
        both = {
            one.question.name: sorted(one.neurons) or sorted(one.near_misses)
            if task_name == "alphabet"
            else sorted(one.neurons | one.near_misses)
            for one in asked
        }
        score = submit(instance, both)
        assert right.metrics["success"] == score.metrics["recall"] == 1.0
        assert score.metrics["success"] == 0.0
        assert score.metrics["precision"] <= 0.8
        assert score.skill < right.skill
