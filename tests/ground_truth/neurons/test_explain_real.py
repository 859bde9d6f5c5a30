"""neurons/explain_real with a small truth in place of a real model's: strata, models, instances, scores."""

from __future__ import annotations

import json
import random
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from safetensors.torch import load

from ground_truth.neurons import explain_real
from ground_truth.neurons.explain_real import ExplainReal
from ground_truth.neurons.explained_real import choice, models
from ground_truth.neurons.explained_real.features import PAIRS, Features, shape_of
from ground_truth.neurons.explained_real.levels import ASKED, LEVELS
from ground_truth.neurons.explained_real.measurement import EXPLAIN_SCAN, FEWEST_NEURONS
from ground_truth.neurons.explained_real.models import MODELS, predictions
from ground_truth.neurons.explained_real.strata import Readings, fitted_list, sign_of, strata_of, weights_of
from scribe_suite.errors import AnswerError
from scribe_suite.paths import suite_root
from scribe_suite.planting.english import TaggedText
from scribe_suite.planting.neurons.correlation import weighted_correlation
from scribe_suite.scoring.explanation import ELSEWHERE, FIRES, NEAR
from scribe_suite.tasks.prompts import render_prompt
from scribe_suite.tasks.registry import default_registry
from scribe_suite.tasks.task import Score, TaskInstance

VOCABULARY = ("<s>", " the", " of", " State", " Union", " war", " peace", "ing", ",", ".", " we", " you")
LENGTH, TEXTS = 24, 60
SIZE = len(VOCABULARY)
LIMITS = {"agent_timeout_s": 1800, "cell_timeout_s": 300, "max_turns": None}
TASKS = {level: ExplainReal(level) for level in LEVELS}
every_level = pytest.mark.parametrize("level", LEVELS)


def texts(seed: int, rows: int = TEXTS) -> np.ndarray:
    tokens = np.random.default_rng(seed).integers(1, SIZE, (rows, LENGTH))
    tokens[:, 0] = 0
    return tokens


def follows_pair(tokens: np.ndarray, here: int, before: int, seed: int = 0) -> np.ndarray:
    """A neuron that fires on one token after another, and follows the token a little anyway."""
    previous = np.concatenate([tokens[:, :1], tokens[:, :-1]], axis=1)
    noise = np.random.default_rng(seed).normal(0, 0.05, tokens.shape)
    values: np.ndarray = 1.0 * ((tokens == here) & (previous == before)) + 0.2 * (tokens == here) + noise
    return values


def measured(rows: int = TEXTS) -> dict[str, np.ndarray]:
    """Two neurons for each level, the later ones with their longer tail below."""
    tokens, names = texts(1, rows), [f"L{number}.N{4 * number}" for number in range(3 * FEWEST_NEURONS)]
    activations, strata = [], []
    for number in range(len(names)):
        values = follows_pair(tokens, 1 + number % (SIZE - 1), 1 + (number + 3) % (SIZE - 1), number)
        activations.append(values * (-1 if number % 2 else 1))
        strata.append(strata_of(Readings(tokens, values), 0.6))
    return {
        "neurons": np.asarray(names),
        "level": np.asarray([LEVELS[number % len(LEVELS)] for number in range(len(names))]),
        "tokens": tokens.astype(np.int32),
        "activations": np.stack(activations).astype(np.float16),
        "strata": np.stack(strata).astype(np.int8),
        "chance": np.full(len(names), 0.4, np.float32),
        "ceiling": np.full(len(names), 0.9, np.float32),
    }


@pytest.fixture(autouse=True)
def small_world(monkeypatch) -> None:
    """No real model, and no measured result, is read."""
    arrays = measured()
    tokens = torch.from_numpy(texts(2))
    monkeypatch.setattr(explain_real, "model_sizes", lambda _: {"n_layers": 30, "d_mlp": 200})
    monkeypatch.setattr(explain_real, "pool_text", lambda *_: TaggedText(tokens, torch.zeros_like(tokens)))
    monkeypatch.setattr(explain_real, "vocabulary", lambda _: VOCABULARY)
    monkeypatch.setattr(ExplainReal, "measured", lambda _: SimpleNamespace(arrays=arrays))
    described = {"name": "Small", "start_token": "<s>", "gated_mlp": True, "tokens_per_s": 200}
    monkeypatch.setattr(ExplainReal, "model_facts", lambda _: described)


def submitted(instance: TaskInstance, code: str) -> Score:
    answer = {"code": code, "confidence": 0.5, "summary": "Some."}
    return instance.task.score(instance, instance.answer_schema.parse(json.dumps(answer)))


# --- strata -----------------------------------------------------------------------------------------------------------


def test_where_it_fires_is_above_the_threshold_and_near_is_the_same_token_elsewhere():
    tokens = np.array([[0, 5, 6, 5, 7], [0, 7, 5, 8, 6]])
    activations = np.array([[9.0, 3.0, 0.0, 0.1, 0.2], [9.0, 0.0, 0.3, 2.0, 0.0]])
    strata = strata_of(Readings(tokens, activations), 1.0)
    expected = [[-1, FIRES, ELSEWHERE, NEAR, ELSEWHERE], [-1, ELSEWHERE, NEAR, FIRES, ELSEWHERE]]
    assert strata.tolist() == expected
    weights = weights_of(tokens, strata)
    assert [weights[strata == one].sum() for one in (FIRES, NEAR, ELSEWHERE)] == pytest.approx([1 / 3] * 3)
    assert weights[:, 0].tolist() == [0, 0]


def test_every_token_counts_as_much_where_it_nearly_fires_as_where_it_does():
    tokens = np.array([[0, 5, 5, 5, 5, 5, 6, 6, 6, 7]])
    activations = np.array([[0, 2.0, 2, 2, 0, 0, 2, 0, 0, 0]])
    strata = strata_of(Readings(tokens, activations), 1.0)
    weights = weights_of(tokens, strata)
    share = {token: weights[(strata == NEAR) & (tokens == token)].sum() for token in (5, 6)}
    assert share[5] == pytest.approx(3 * share[6])
    # so a list for the current token says nothing of the difference
    said = np.where(tokens == 5, 1.0, 0.5)
    counted = np.where(strata == ELSEWHERE, 0, weights)
    assert weighted_correlation(said.ravel(), activations.ravel(), counted.ravel()) == pytest.approx(0, abs=1e-9)


def test_the_longer_tail_is_above_after_the_sign():
    values = np.zeros((4, 25, 2))
    values[0, 0] = 8, -8
    assert sign_of(values).tolist() == [1, -1]


# --- fitted models ----------------------------------------------------------------------------------------------------


def test_features_have_one_slot_each_and_rare_ones_none():
    tokens = texts(3, 4)
    features = Features.seen_in(tokens, VOCABULARY)
    numbers = features.numbers(tokens)
    assert numbers.shape == (4 * (LENGTH - 1), 4 * 4 + 6 + 1 + len(PAIRS))
    assert 0 < numbers.max() < len(features)
    assert (Features.seen_in(tokens[:, :1], VOCABULARY).numbers(tokens) == 0).all()


@pytest.mark.parametrize(
    ("string", "shape"),
    [
        (" the", "_lower3"),
        ("The", "capital3"),
        (" NATO", "_capitals4"),
        ("1917", "digit4"),
        (",", ",1"),
        ("\n", "blank0"),
    ],
)
def test_shapes(string, shape):
    assert shape_of(string) == shape


def test_models_say_more_than_a_list_and_the_short_one_has_few_numbers(monkeypatch):
    monkeypatch.setattr(models, "KEPT", 40)
    seen = Readings(texts(4, 300), follows_pair(texts(4, 300), 5, 6))
    judged = Readings(texts(5), follows_pair(texts(5), 5, 6, 1))
    weights, other = (weights_of(one.tokens, strata_of(one, 0.6)) for one in (seen, judged))
    features = Features.seen_in(seen.tokens, VOCABULARY)
    found = predictions(
        features.numbers(seen.tokens),
        seen.activations[:, 1:].ravel(),
        weights[:, 1:].ravel(),
        features.numbers(judged.tokens),
        len(features),
    )
    assert list(found) == list(MODELS)
    truth, counted = judged.activations[:, 1:].ravel(), other[:, 1:].ravel()
    reached = {name: weighted_correlation(values, truth, counted) for name, values in found.items()}
    values = fitted_list(seen, weights, 0, SIZE).values(judged)[:, 1:].ravel()
    assert min(reached.values()) > max(0.85, weighted_correlation(values, truth, counted) + 0.1)
    for whole in ("gradients", "ridge"):
        assert len(np.unique(found[f"{whole}, short"].round(9))) < len(np.unique(found[whole].round(9)))


def test_ridge_regression_solves_the_normal_equations():
    tokens = texts(7, 40)
    numbers = Features.seen_in(tokens, VOCABULARY).numbers(tokens)
    rng = np.random.default_rng(7)
    y, weights, size = rng.normal(size=len(numbers)), rng.uniform(0.5, 2, len(numbers)), int(numbers.max()) + 1
    found = models.by_ridge(numbers, y, weights, size, 20.0)
    design = np.zeros((len(numbers), size))
    np.add.at(design, (np.arange(len(numbers))[:, None], numbers), 1)
    design[:, 0] = 0
    share = (weights / weights.mean()) ** 0.8
    share /= share.mean()
    residual = y - np.average(y, weights=share)
    exact = np.linalg.solve(design.T * share @ design + 20.0 * np.eye(size), design.T @ (share * residual))
    assert found == pytest.approx(exact, abs=1e-2 * np.abs(exact).max())


def test_the_ceiling_is_the_best_model_of_each_neuron():
    fits = {"reached": np.array([[0.6, 0.7, 0.65, 0.5], [0.5, 0.4, 0.55, 0.2], [0.6, 0.7, 0.9, 0.8]])}
    fits["chance"] = np.array([0.5, 0.5, 0.7])
    fits["halves"] = np.array([[0.7, 0.7], [0.5, 0.5], [0.9, 0.85]])
    shape = (2, 5, 3)
    taken = {
        "names": np.array(["L0.N0", "L0.N4", "L0.N8"]),
        "signs": np.array([1.0, 1.0, -1.0]),
        "hidden_tokens": np.zeros(shape[:2], int),
        "hidden": np.zeros(shape, np.float32),
    }
    results = {"fits": {**fits, "strata": np.zeros((3, 2, 5), np.int8)}, "choice": taken}
    kept = EXPLAIN_SCAN.kept(results)
    # the second leads over chance by too little
    assert kept["neurons"].tolist() == ["L0.N0", "L0.N8"]
    assert kept["ceiling"].tolist() == pytest.approx([0.7, 0.9])
    assert kept["models"].tolist() == list(MODELS)
    checks = {check.name: check.value for check in EXPLAIN_SCAN.checks(results)}
    assert (checks["lead_min"], checks["neurons/level_min"]) == (pytest.approx(0.2), 0)


def test_neurons_are_chosen_that_depend_on_more_than_one_token(monkeypatch):
    monkeypatch.setattr(choice, "SHORTLIST", 3)
    monkeypatch.setattr(choice, "CANDIDATES", 1)
    tokens = texts(6, 200)
    noise = np.random.default_rng(6).normal(0, 0.05, tokens.shape)
    before = np.concatenate([tokens[:, :1], tokens[:, :-1]], axis=1)
    both = 1.0 * (tokens == 3) + (before == 4) + noise
    neurons = np.stack([(tokens == 3) + noise, both, noise, (before == 4) + noise], axis=-1)
    assert choice.chosen_neurons(tokens, neurons, np.arange(200) % 2, SIZE).tolist() == [1]


# --- the task ---------------------------------------------------------------------------------------------------------


def test_the_registry_finds_all_levels_and_the_first_runs_by_default():
    facts = [one for one in default_registry().facts.values() if one.name == "explain_real"]
    assert {one.level: one.is_default for one in facts} == {1: True, 2: False, 3: False}
    assert {TASKS[level].access for level in (1, 2)} == {"weights"}
    assert TASKS[3].access == "lab"
    assert TASKS[1].measurement is EXPLAIN_SCAN


@every_level
def test_instances_are_drawn_from_the_neurons_of_their_level(level):
    first, again = TASKS[level].instance(5), TASKS[level].instance(5)
    assert first.public.files == again.public.files
    asked = {tuple(TASKS[level].instance(seed).hidden.neurons) for seed in range(12)}
    assert len(asked) > 3
    assert {len(one) for one in asked} == {ASKED[level]}
    assert {name for one in asked for name in one} <= set(TASKS[level].pool())
    assert not set(TASKS[level].pool()) & {name for other in LEVELS if other != level for name in TASKS[other].pool()}


@every_level
def test_agents_get_the_public_text_and_neurons_and_nothing_that_was_measured(level):
    instance = TASKS[level].instance(0)
    public = load(instance.public.files["text.safetensors"])["tokens"].tolist()
    assert not set(map(tuple, public)) & set(map(tuple, instance.hidden.rows))
    prompt = render_prompt(suite_root(), instance, LIMITS)
    assert all(name in prompt for name in instance.hidden.neurons)
    assert "{{" not in prompt
    assert ("lab.run" in prompt) == (level == 3)
    assert "2 % of the positions" in " ".join(prompt.split())
    facts = json.dumps(dict(instance.public.facts))
    assert not any(word in facts for word in ("ceiling", "strata", "chance"))


@every_level
def test_code_gets_strings_and_the_oracle_knows_where_neurons_fire(level):
    instance = TASKS[level].instance(0)
    score = submitted(instance, TASKS[level].oracle_answer(instance)["code"])
    assert (score.skill, score.flags) == (1.0, ())
    assert tuple(score.metrics) == ExplainReal.metrics
    assert score.metrics["score"] > 0.9
    arguments = ", ".join(instance.public.facts["arguments"])
    strings = f"def predict({arguments}):\n    return [float(one in {VOCABULARY!r}) for one in tokens]\n"
    assert submitted(instance, strings).flags == ()


@every_level
def test_nothing_cheap_pays(level):
    instance = TASKS[level].instance(1)
    assert submitted(instance, instance.answer_schema.example["code"]).skill <= 0
    assert submitted(instance, "").skill <= 0
    drawn = [TASKS[level].random_answer(instance, random.Random(seed))["code"] for seed in range(4)]
    # among eleven tokens a guess often hits; the real model's test asks for 0.05
    assert np.mean([submitted(instance, code).skill for code in drawn]) < 0.25
    right = TASKS[level].oracle_answer(instance)["code"]
    arguments = ", ".join(instance.public.facts["arguments"])
    flipped = (
        f"{right}\n_right = predict\n\n\ndef predict({arguments}):\n    return [-v for v in _right({arguments})]\n"
    )
    assert submitted(instance, flipped).skill == -1.0


def test_code_that_is_too_long_is_refused():
    with pytest.raises(AnswerError, match="at most 20000 characters"):
        submitted(TASKS[1].instance(0), "def predict(tokens):\n    return tokens\n" + "#" * 20_000)
