"""probes/greater_than: instances are sealed and repeatable, and only a probe for the model's own order scores."""

from __future__ import annotations

import json
import random
import sys
from functools import cache
from itertools import cycle

import numpy as np
import pytest
import torch
from safetensors.torch import load
from sklearn.linear_model import LogisticRegression

from scribe_suite.paths import suite_root
from scribe_suite.planting.frozen import frozen_folder, list_frozen, load_frozen
from scribe_suite.planting.hooked import build_model, untrained_twin
from scribe_suite.planting.reference import reference_answer
from scribe_suite.scoring.normalise import normalised_skill
from scribe_suite.scoring.probes import BELOW_CHANCE, LinearProbe, fit_probe, probe_accuracy, residual_at
from scribe_suite.tasks.prompts import render_prompt
from scribe_suite.tasks.registry import default_registry

torch.set_num_threads(1)

SEEDS = range(6)
LIMITS = {"agent_timeout_s": 600, "cell_timeout_s": 60, "max_turns": None}


@pytest.fixture(scope="module")
def task():
    return default_registry()["probes/greater_than"]


@pytest.fixture(scope="module")
def instances(task):
    return [task.instance(seed) for seed in SEEDS]


def scored(instance, submitted):
    return instance.task.score(instance, instance.answer_schema.parse(json.dumps(submitted)))


def probe_answer(weight, layer=1, position="last", bias=0.0, center=()):
    return {
        "layer": layer,
        "position": position,
        "weight": [float(value) for value in weight],
        "bias": float(bias),
        "center": [float(value) for value in center],
        "confidence": 0.5,
        "nothing_found": len(weight) == 0,
        "summary": "",
    }


def public(instance):
    data = load(instance.public.files["statements.safetensors"])
    return data["tokens"], data["labels"].bool().numpy()


@cache
def model_of(seed):
    return build_model(default_registry()["probes/greater_than"].instance(seed).hidden.weights)


def public_residual(instance, layer=1, position="last"):
    return residual_at(model_of(instance.seed), public(instance)[0], layer, position)


def hidden_residual(instance, layer=1, position="last"):
    return residual_at(model_of(instance.seed), instance.hidden.held_out.tokens, layer, position)


def skill_of(instance, probe, hidden):
    """What `Task.score` says about a probe on hidden activations that are already read (see the test below)."""
    accuracy = probe_accuracy(probe, hidden, instance.hidden.held_out.labels)
    chance = max(0.5, instance.hidden.control_accuracy)
    return normalised_skill(accuracy, chance, instance.hidden.reference_accuracy)


def mean_skill(instances, draw, layer=1, repeats=30):
    """Mean skill of probes `draw(instance, public activations, labels)` read at the last token after `layer`."""
    skills = []
    for instance in instances:
        shown, held_out = public_residual(instance, layer), hidden_residual(instance, layer)
        labels = public(instance)[1]
        skills += [skill_of(instance, draw(instance, shown, labels), held_out) for _ in range(repeats)]
    return float(np.mean(skills))


class TestInstances:
    def test_the_same_seed_gives_the_same_bytes(self, task, instances):
        again = task.instance(SEEDS[0])
        assert dict(again.public.files) == dict(instances[0].public.files)
        assert again.public.facts == instances[0].public.facts
        assert torch.equal(again.hidden.held_out.tokens, instances[0].hidden.held_out.tokens)

    def test_other_seeds_give_other_names_splits_and_models(self, instances):
        vocabularies = {instance.public.files["vocabulary.json"] for instance in instances}
        weights = {instance.public.files["model.safetensors"] for instance in instances}
        assert len(vocabularies) == len(weights) == len(instances)
        assert len({instance.base_model for instance in instances}) > 1

    def test_the_public_files_hold_the_public_statements_with_their_labels(self, instances):
        for instance in instances:
            tokens, labels = public(instance)
            assert torch.equal(tokens, instance.hidden.public.tokens)
            assert (labels == instance.hidden.public.labels).all()

    def test_held_out_numbers_stand_in_no_public_statement(self, instances):
        for instance in instances:
            tokens, _ = public(instance)
            seen = set(tokens[:, [3, 7]].flatten().tolist())
            hidden = set(instance.hidden.held_out.tokens[:, [3, 7]].flatten().tolist())
            assert len(seen) == 36
            assert len(hidden) == 24
            assert not seen & hidden

    def test_hidden_statements_are_every_pair_in_both_orders_with_both_endings(self, instances):
        hidden = instances[0].hidden.held_out
        assert len(set(map(tuple, hidden.tokens.tolist()))) == len(hidden.tokens) == 24 * 23 * 2
        for group in np.unique(hidden.groups):
            rows = hidden.groups == group
            members = hidden.tokens[torch.from_numpy(rows)]
            assert rows.sum() == 4
            assert hidden.labels[rows].sum() == 2
            assert len({frozenset(row) for row in members[:, [3, 7]].tolist()}) == 1

    def test_labels_are_right_in_the_words_of_the_model(self, instances):
        for instance in instances[:3]:
            vocabulary = json.loads(instance.public.files["vocabulary.json"])
            model = build_model(instance.hidden.weights)
            tokens, labels = public(instance)
            with torch.no_grad():
                said = [vocabulary[token] for token in model(tokens)[:, -1].argmax(-1).tolist()]
            endings = [vocabulary[token] for token in tokens[:, -1].tolist()]
            expected = [
                "true" if label == (end == ".") else "false" for label, end in zip(labels, endings, strict=True)
            ]
            assert np.mean([a == b for a, b in zip(said, expected, strict=True)]) > 0.98

    def test_nothing_hidden_is_public(self, instances):
        for instance in instances:
            vocabulary = json.loads(instance.public.files["vocabulary.json"])
            assert set(instance.public.files) == {
                "config.json",
                "model.safetensors",
                "statements.safetensors",
                "vocabulary.json",
            }
            assert set(load(instance.public.files["statements.safetensors"])) == {"tokens", "labels"}
            assert len(set(vocabulary)) == len(vocabulary) == 84
            assert "seed" not in json.loads(instance.public.files["config.json"])
            numbers = [word for word in vocabulary if len(word) == 4 and word[2].isdigit()]
            assert len(numbers) == 60

    def test_token_ids_and_names_do_not_tell_the_order(self, instances):
        correlations = []
        for instance in instances:
            tokens, labels = public(instance)
            vocabulary = json.loads(instance.public.files["vocabulary.json"])
            wins = {int(t): labels[(tokens[:, 3] == t).numpy()].sum() for t in tokens[:, 3].unique()}
            ids = sorted(wins)
            by_name = sorted(ids, key=lambda token: vocabulary[token])
            by_wins = [[wins[token] for token in order] for order in (ids, by_name)]
            correlations += [np.corrcoef(range(len(order)), order)[0, 1] for order in by_wins]
        assert abs(np.mean(correlations)) < 0.2


class TestSkill:
    def test_the_oracle_has_skill_one(self, task, instances):
        for instance in instances:
            score = scored(instance, task.oracle_answer(instance))
            assert score.skill == 1.0
            assert score.metrics["accuracy"] > 0.99
            assert tuple(score.metrics) == task.metrics
            assert score.flags == ()

    def test_the_reference_beats_the_control_by_far(self, instances):
        for instance in instances:
            assert instance.hidden.reference_accuracy > 0.93
            assert instance.hidden.control_accuracy < 0.75
        assert np.mean([instance.hidden.control_accuracy for instance in instances]) < 0.6

    def test_the_oracle_with_the_other_sign_is_flagged_and_near_minus_one(self, task, instances):
        for instance in instances[:2]:
            oracle = task.oracle_answer(instance)
            score = scored(
                instance, {**oracle, "weight": [-value for value in oracle["weight"]], "bias": -oracle["bias"]}
            )
            assert score.skill < -0.9
            assert score.flags == (BELOW_CHANCE,)

    @pytest.mark.parametrize(
        "submitted",
        [
            pytest.param(probe_answer([]), id="nothing found"),
            pytest.param(probe_answer([0.0] * 64), id="zero vector"),
            pytest.param(probe_answer([1e-9] * 64, bias=1e6), id="always true"),
            pytest.param(probe_answer([1e-9] * 64, bias=-1e6), id="always false"),
        ],
    )
    def test_constant_answers_have_no_skill(self, instances, submitted):
        for instance in instances[:2]:
            score = scored(instance, submitted)
            assert score.metrics["accuracy"] == 0.5
            assert -0.5 < score.skill <= 0.0

    def test_the_averages_below_are_of_what_the_task_scores(self, task, instances):
        instance = instances[0]
        submitted = task.random_answer(instance, random.Random(0))
        probe = LinearProbe(np.array(submitted["weight"]), 0.0, np.zeros(64))
        read = hidden_residual(instance, submitted["layer"])
        assert skill_of(instance, probe, read) == pytest.approx(scored(instance, submitted).skill)

    def test_random_answers_have_no_skill_on_average_and_hardly_ever_pass(self, task, instances):
        """Where the truth is the strongest direction some hit it: about 1 in 40 passes, and as many are inverted."""
        rng = random.Random(0)
        skills = []
        for instance in instances:
            read = [hidden_residual(instance, layer) for layer in range(3)]
            for _ in range(100):
                drawn = task.random_answer(instance, rng)
                probe = LinearProbe(np.array(drawn["weight"]), drawn["bias"], np.zeros(64))
                skills.append(skill_of(instance, probe, read[drawn["layer"]]))
        assert abs(np.mean(skills)) < 0.1
        assert np.mean(np.array(skills) >= task.pass_mark) < 0.06

    @pytest.mark.parametrize("layer", [0, 1, 2])
    def test_random_directions_have_no_skill_on_average(self, instances, layer):
        rng = np.random.default_rng(layer)

        def centred(_instance, hidden, _labels):
            return LinearProbe(rng.normal(size=64), 0.0, hidden.mean(0))

        assert mean_skill(instances, centred, layer) < 0.1

    def test_mean_difference_on_shuffled_labels_has_no_skill_on_average(self, instances):
        rng = np.random.default_rng(2)

        def shuffled(_instance, hidden, labels):
            mixed = rng.permutation(labels)
            return LinearProbe(hidden[mixed].mean(0) - hidden[~mixed].mean(0), 0.0, hidden.mean(0))

        assert mean_skill(instances, shuffled) < 0.1

    def test_a_probe_on_token_identity_has_no_skill(self, instances):
        """One coefficient per word, written as the residual direction with which the embedding would carry it."""

        def on_words(instance, hidden, labels):
            words = torch.nn.functional.one_hot(public(instance)[0], 84).sum(1).double().numpy()
            fitted = LogisticRegression(max_iter=500).fit(words, labels)
            embedding = instance.hidden.weights.state["embed.W_E"].double().numpy()
            return LinearProbe(fitted.coef_[0] @ embedding, 0.0, hidden.mean(0))

        assert mean_skill(instances, on_words, layer=0, repeats=1) < 0.1

    def test_a_probe_fitted_on_untrained_twins_has_no_skill_on_average(self, instances):
        tokens, labels = public(instances[0])
        config = instances[0].hidden.weights.config
        twins = [
            fit_probe(residual_at(untrained_twin(config, seed), tokens, 1, "last"), labels, 0.1) for seed in range(8)
        ]
        drawn = cycle(twins)
        assert mean_skill(instances, lambda *_: next(drawn), repeats=len(twins)) < 0.1

    def test_what_the_model_says_is_not_the_truth(self, instances):
        def said(instance, hidden, _labels):
            vocabulary = json.loads(instance.public.files["vocabulary.json"])
            unembedding = instance.hidden.weights.state["unembed.W_U"].double().numpy()
            direction = unembedding[:, vocabulary.index("true")] - unembedding[:, vocabulary.index("false")]
            return LinearProbe(direction, 0.0, hidden.mean(0))

        assert abs(mean_skill(instances, said, layer=2, repeats=1)) < 0.1

    @pytest.mark.parametrize(("layer", "position"), [(0, "last"), (0, 7), (0, 3), (2, 3), (1, 4)])
    def test_reading_in_the_wrong_place_does_not_pass(self, task, instances, layer, position):
        skills = []
        for instance in instances[:3]:
            shown, labels = public_residual(instance, layer, position), public(instance)[1]
            skills.append(skill_of(instance, fit_probe(shown, labels, 0.1), hidden_residual(instance, layer, position)))
        assert np.mean(skills) < 0.6 < task.pass_mark

    def test_an_answer_of_another_kind_is_refused(self, task, instances):
        with pytest.raises(TypeError, match="ProbeAnswer"):
            task.score(instances[0], object())


class TestPrompt:
    def test_it_says_what_to_submit_and_not_where_to_look(self, instances):
        prompt = render_prompt(suite_root(), instances[0], LIMITS)
        assert instances[0].public.facts["example"] in prompt
        assert "`layer`: 0 to 2" in prompt
        assert "blocks.1" not in prompt
        assert instances[0].base_model not in prompt
        assert "None" not in prompt

    def test_its_example_is_valid(self, instances):
        prompt = render_prompt(suite_root(), instances[0], LIMITS)
        example = prompt.split("```json\n")[1].split("```")[0]
        answer = instances[0].answer_schema.parse(example)
        assert answer.content_field == "weight"
        assert max(len(line) for line in example.splitlines()) < 500


class TestFrozenModels:
    def test_at_least_three_base_models_are_certified(self, task):
        models = [load_frozen(path, task) for path in list_frozen(frozen_folder(task))]
        assert len(models) >= 3
        for model in models:
            certificate = model.record.certificate
            assert certificate.passed
            assert certificate.value("probe/layer1_min") - certificate.value("probe/layer0_max") > 0.15
            assert certificate.value("reference/accuracy") >= 0.9

    @pytest.mark.slow
    @pytest.mark.parametrize("index", range(3))
    def test_the_certificate_is_what_the_weights_say(self, task, index):
        module = sys.modules[type(task).__module__]
        model = load_frozen(list_frozen(frozen_folder(task))[index], task)
        for check in module.certify(model.weights, model.record.seed):
            assert check.passed, check
            assert check.value == pytest.approx(model.record.certificate.value(check.name), abs=0.01)

    @pytest.mark.slow
    def test_the_reference_solution_passes(self, task):
        for seed in range(3):
            instance = task.instance(seed)
            score = task.score(instance, reference_answer(suite_root(), instance))
            assert score.skill >= 0.9
            assert score.flags == ()
