"""What answers without insight are worth on the probe tasks: nothing, on average over instances."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from scribe_suite.planting.hooked import build_model, untrained_twin
from scribe_suite.planting.statements.training import TRUTH_LAYER
from scribe_suite.scoring.probes import BELOW_CHANCE, LinearProbe, fit_probe, residual_at
from scribe_suite.scoring.recipes import mean_difference, principal_directions
from tests.ground_truth.probes.probe_models import (
    LABEL_FREE,
    LABELLED,
    SEEDS,
    TASKS,
    activations,
    instance_of,
    instances,
    labels,
    mean_skill,
    public_data,
    scored,
    skill_of,
    strings,
    submission,
    task_of,
)

pytestmark = pytest.mark.slow


def width(name):
    return activations(name, SEEDS[0], "held_out").shape[1]


@pytest.mark.parametrize("name", TASKS)
def test_the_oracle_has_skill_one(name):
    for instance in instances(name):
        score = scored(instance, task_of(name).oracle_answer(instance))
        assert score.skill > 0.97
        assert tuple(score.metrics) == task_of(name).metrics
        assert score.flags == ()
        assert score.interval[0] <= score.metrics["accuracy"] <= score.interval[1]


@pytest.mark.parametrize("name", LABELLED)
def test_the_oracle_with_the_other_sign_is_flagged_and_near_minus_one(name):
    for instance in instances(name):
        oracle = task_of(name).oracle_answer(instance)
        flipped = {**oracle, "weight": [-value for value in oracle["weight"]], "bias": -oracle["bias"]}
        score = scored(instance, flipped)
        assert score.skill < -0.9
        assert score.flags == (BELOW_CHANCE,)


@pytest.mark.parametrize("name", LABEL_FREE)
def test_without_labels_the_sign_does_not_matter(name):
    for instance in instances(name):
        oracle = task_of(name).oracle_answer(instance)
        flipped = {**oracle, "direction": [-value for value in oracle["direction"]]}
        assert scored(instance, flipped).metrics == scored(instance, oracle).metrics


@pytest.mark.parametrize("name", TASKS)
def test_nothing_and_zeros_have_no_skill(name):
    for instance in instances(name)[:2]:
        for weight in ([], [0.0] * width(name)):
            score = scored(instance, submission(name, weight))
            assert score.metrics["accuracy"] == 0.5
            assert score.skill <= 0.0


@pytest.mark.parametrize("name", LABELLED)
@pytest.mark.parametrize("bias", [1e6, -1e6])
def test_constant_answers_have_no_skill(name, bias):
    score = scored(instance_of(name, SEEDS[0]), submission(name, [1e-9] * width(name), bias=bias))
    assert score.metrics["accuracy"] == 0.5
    assert score.skill <= 0.0


@pytest.mark.parametrize("name", TASKS)
def test_skills_here_are_what_the_task_scores(name):
    instance = instance_of(name, SEEDS[0])
    weight = np.random.default_rng(1).normal(size=width(name))
    center = activations(name, SEEDS[0], "held_out").mean(0)
    further = {} if name in LABEL_FREE else {"center": center.tolist()}
    score = scored(instance, submission(name, weight, **further))
    assert skill_of(name, SEEDS[0], LinearProbe(weight, 0.0, center)) == pytest.approx(score.skill)


@pytest.mark.parametrize("name", TASKS)
@pytest.mark.parametrize("layer", [0, 1, 2, 3])
def test_random_directions_have_no_skill_on_average_and_hardly_ever_pass(name, layer):
    rng = np.random.default_rng(layer)
    skills = []
    for seed in SEEDS:
        center = activations(name, seed, "held_out", layer).mean(0)
        drawn = rng.normal(size=(100, width(name)))
        skills += [skill_of(name, seed, LinearProbe(weight, 0.0, center), layer) for weight in drawn]
    assert np.mean(skills) <= 0.1
    assert np.mean(np.array(skills) >= task_of(name).pass_mark) <= 0.05


@pytest.mark.parametrize("name", TASKS)
def test_random_answers_have_no_skill_on_average(name):
    rng = random.Random(0)
    skills = [
        scored(instance, task_of(name).random_answer(instance, rng)).skill
        for instance in instances(name)
        for _ in range(4)
    ]
    assert np.mean(skills) <= 0.1


@pytest.mark.parametrize("name", LABEL_FREE)
@pytest.mark.parametrize(("layer", "position"), [(1, -4), (2, -3)])
def test_without_labels_a_random_direction_is_worth_nothing_elsewhere_either(name, layer, position):
    """Off the last token the truth may be louder, and luck more likely: chance is that of the place that is read."""
    rng = np.random.default_rng(5)
    drawn = [submission(name, rng.normal(size=width(name)), layer, position) for _ in range(10)]
    skills = [scored(instance, one).skill for instance in instances(name) for one in drawn]
    assert np.mean(skills) <= 0.2  # thirty draws; their mean is 0 up to luck


@pytest.mark.parametrize("name", LABELLED)
def test_mean_difference_on_shuffled_labels_has_no_skill(name):
    rng = np.random.default_rng(2)

    def shuffled(seed):
        found = mean_difference(activations(name, seed, "public"), rng.permutation(labels(name, seed, "public")))
        return LinearProbe(found.weight, 0.0, activations(name, seed, "public").mean(0))

    assert abs(mean_skill(name, shuffled, repeats=30)) <= 0.1


@pytest.mark.parametrize("name", TASKS)
@pytest.mark.parametrize("layer", [0, 1, 2])
def test_the_loudest_direction_has_no_skill(name, layer):
    def loudest(seed):
        read = activations(name, seed, "public", layer)
        return LinearProbe(principal_directions(read)[0], 0.0, read.mean(0))

    assert mean_skill(name, loudest, layer=layer) <= 0.1


@pytest.mark.parametrize("name", LABELLED)
def test_a_probe_on_token_identity_has_no_skill(name):
    """One coefficient per word, written as the residual direction with which the embedding would carry it."""

    def on_words(seed):
        instance = instance_of(name, seed)
        tokens = public_data(instance)["tokens"]
        words = torch.nn.functional.one_hot(tokens, len(strings(instance))).sum(1).double().numpy()
        fitted = LogisticRegression(max_iter=500).fit(words, labels(name, seed, "public"))
        embedding = instance.hidden.weights.state["embed.W_E"].double().numpy()
        return LinearProbe(fitted.coef_[0] @ embedding, 0.0, activations(name, seed, "public", 0).mean(0))

    assert mean_skill(name, on_words, layer=0) <= 0.1


@pytest.mark.parametrize("name", TASKS)
def test_a_probe_found_on_untrained_twins_has_no_skill(name):
    def on_twin(seed):
        split = instance_of(name, seed).hidden.split
        twin = untrained_twin(instance_of(name, seed).hidden.weights.config, seed)
        found = task_of(name).recipe(residual_at(twin, split.public.tokens, TRUTH_LAYER, "last"), split.public)
        return LinearProbe(found.weight, 0.0, activations(name, seed, "public").mean(0))

    assert mean_skill(name, on_twin) <= 0.25  # one draw per instance; a random direction has 0 on average


@pytest.mark.parametrize("name", TASKS)
@pytest.mark.parametrize("layer", [0, 1])
def test_reading_the_last_token_too_early_is_worth_nothing(name, layer):
    def early(seed):
        return task_of(name).recipe(
            activations(name, seed, "public", layer), instance_of(name, seed).hidden.split.public
        )

    assert mean_skill(name, early, layer=layer) < 0.35 < task_of(name).pass_mark


@pytest.mark.parametrize("name", LABELLED)
@pytest.mark.parametrize("position", [-4, -3, -2])
def test_no_position_after_the_first_block_knows_the_truth(name, position):
    def early(seed):
        return fit_probe(activations(name, seed, "public", 0, position), labels(name, seed, "public"), 0.1)

    assert mean_skill(name, early, layer=0, position=position) < 0.35


@pytest.mark.parametrize("name", LABELLED)
def test_the_truth_appears_after_block_1_at_the_last_word_of_the_content(name):
    def there(seed):
        return fit_probe(activations(name, seed, "public", 1, -4), labels(name, seed, "public"), 0.1)

    assert mean_skill(name, there, layer=1, position=-4) > 0.6


@pytest.mark.parametrize("name", TASKS)
def test_what_the_model_says_is_not_the_truth(name):
    def said(seed):
        vocabulary = strings(instance_of(name, seed))
        unembedding = instance_of(name, seed).hidden.weights.state["unembed.W_U"].double().numpy()
        true, false, yes, no = (unembedding[:, vocabulary.index(word)] for word in ("true", "false", "yes", "no"))
        return LinearProbe(true + yes - false - no, 0.0, activations(name, seed, "held_out", 3).mean(0))

    assert mean_skill(name, said, layer=3) <= 0.1


def test_few_labels_need_the_right_amount_of_regularisation():
    """Neither extreme reaches what the recipe does, on average over more splits than there are instances here."""
    from ground_truth.probes.planted.base import base_models
    from ground_truth.probes.regularization import accuracy_of

    task = task_of("regularization")
    model = build_model(base_models(task)[0].weights)
    splits = [task.draw_split(seed) for seed in range(50, 58)]
    recipes = {
        "difference of means": mean_difference,
        "no penalty": lambda hidden, truth: fit_probe(hidden, truth, 1e4),
        "strong penalty": lambda hidden, truth: fit_probe(hidden, truth, 1e-3),
    }
    reached = {way: np.mean([accuracy_of(find, model, split) for split in splits]) for way, find in recipes.items()}
    recipe = np.mean([task.recipe_accuracy(model, split) for split in splits])
    assert recipe > 0.9
    assert reached["difference of means"] < recipe - 0.3
    assert reached["strong penalty"] < recipe - 0.15
    assert reached["no penalty"] < recipe - 0.05


@pytest.mark.parametrize("name", TASKS)
def test_an_answer_of_another_kind_is_refused(name):
    other = instance_of("cities" if name in LABEL_FREE else "greater_than_pca", SEEDS[0])
    wrong = other.answer_schema.parse('{"%s": [], "confidence": 0.5, "summary": ""}' % (
        "weight" if name in LABEL_FREE else "direction"
    ))  # fmt: skip
    with pytest.raises(TypeError, match=r"a (Probe|Direction)Answer is scored here"):
        task_of(name).score(instance_of(name, SEEDS[0]), wrong)
