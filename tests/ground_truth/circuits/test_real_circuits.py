"""Prompts, rankings and public code of the tasks on a real model, without that model."""

from __future__ import annotations

import dataclasses
import json
import random
import re
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from ground_truth.circuits.real import task as real_task
from ground_truth.circuits.real import words as word_lists
from ground_truth.circuits.real.rankings import ablated_one_by_one, attributed, blind_rankings, ranking_of
from ground_truth.circuits.real.table import table as table_of
from scribe_suite.laboratory.prices import Work, price_of
from scribe_suite.paths import suite_root
from scribe_suite.scoring.circuit_patching import PatchedRuns, component_names
from tests.scoring import tiny_circuit

from .real_circuits import TASKS, WordTokenizer, every_task

#: Tokens of a prompt of the default model, the first one included.
LENGTH = {
    "circuits/greater_than_real": 18, "circuits/induction_real": 17, "circuits/ioi_real": 16,
    "circuits/subject_verb_agreement_real": 7,
}  # fmt: skip

COMPONENTS = component_names(tiny_circuit.LAYERS, tiny_circuit.HEADS)


def quiet(done):
    assert 0 < done <= 1


def test_all_four_tasks_are_found():
    assert set(TASKS) == {
        "circuits/greater_than_real",
        "circuits/induction_real",
        "circuits/ioi_real",
        "circuits/subject_verb_agreement_real",
    }
    assert {task.source for task in TASKS.values()} == {"real"}


class TestPrompts:
    @every_task
    @pytest.mark.parametrize("side", ["public", "hidden"])
    def test_prompts_and_counterfactuals_are_aligned_and_differ(self, task_id, side):
        behaviour = TASKS[task_id].behaviour
        pairs = behaviour.pairs(getattr(behaviour, side), 300, 0, WordTokenizer())
        different = pairs.clean != pairs.counterfactual
        assert different.any(1).all()
        assert not different[:, 0].any()
        assert not different[:, -1].any()

    @every_task
    def test_the_same_seed_gives_the_same_pairs_and_another_others(self, task_id):
        behaviour, tokenizer = TASKS[task_id].behaviour, WordTokenizer()
        first, again, other = (behaviour.pairs(behaviour.hidden, 20, seed, tokenizer) for seed in (1, 1, 2))
        assert torch.equal(first.clean, again.clean)
        assert torch.equal(first.counterfactual, again.counterfactual)
        assert torch.equal(first.options, again.options)
        assert not torch.equal(first.clean, other.clean)

    @every_task
    def test_weights_set_right_against_wrong_or_ask_for_one_token(self, task_id):
        behaviour = TASKS[task_id].behaviour
        drawn = [behaviour.draw(random.Random(seed), behaviour.hidden) for seed in range(200)]
        for one in drawn:
            assert len(one["options"]) == len(set(one["options"])) == len(one["weights"])
            assert max(one["weights"]) > 0
        if behaviour.readout == "logits":
            assert [sum(one["weights"]) for one in drawn] == pytest.approx([0] * len(drawn))

    @pytest.mark.parametrize("words", ["NAMES", "PLACES", "OBJECTS", "EVENTS", "NOUNS"])
    def test_no_hidden_word_is_public(self, words):
        seen, hidden = (set(getattr(word_lists, prefix + words)) for prefix in ("", "HIDDEN_"))
        assert seen
        assert hidden
        assert not seen & hidden

    @every_task
    def test_hidden_templates_are_not_the_public_ones_alone(self, task_id):
        behaviour = TASKS[task_id].behaviour
        (key,) = {"templates", "joints"} & set(behaviour.public)
        assert not set(behaviour.hidden[key]) <= set(behaviour.public[key])

    def test_the_receiver_is_named_once_and_the_giver_twice(self):
        behaviour = TASKS["circuits/ioi_real"].behaviour
        for seed in range(100):
            one = behaviour.draw(random.Random(seed), behaviour.public)
            receiver, giver = one["options"]
            assert one["clean"].replace(",", "").split().count(receiver.strip()) == 1
            assert one["clean"].split().count(giver.strip()) == 2
            assert receiver not in one["counterfactual"]
            assert giver not in one["counterfactual"]

    def test_both_numbers_and_both_orders_are_drawn(self):
        agreement = TASKS["circuits/subject_verb_agreement_real"].behaviour
        drawn = [agreement.draw(random.Random(seed), agreement.public) for seed in range(100)]
        assert {one["options"][0] for one in drawn} == {" is", " are"}
        for one in drawn:
            assert one["clean"].split()[1] != one["counterfactual"].split()[1]
            assert one["clean"].split()[2:] == one["counterfactual"].split()[2:]

    def test_later_digits_are_right_and_earlier_ones_wrong(self):
        behaviour = TASKS["circuits/greater_than_real"].behaviour
        for seed in range(100):
            one = behaviour.draw(random.Random(seed), behaviour.public)
            year = next(word for word in one["clean"].split() if len(word) == 4 and word.isdigit())
            for digit, weight in zip(one["options"], one["weights"], strict=True):
                assert (int(digit) - int(year[2])) * weight > 0

    def test_the_next_word_stood_after_the_last_one_before(self):
        behaviour = TASKS["circuits/induction_real"].behaviour
        for seed in range(100):
            one = behaviour.draw(random.Random(seed), behaviour.hidden)
            words = re.findall(r"\w+", one["clean"].replace(" and", ""))
            assert len(words) == 8
            assert words[:3] == words[5:]
            assert one["options"] == [f" {words[3]}"]
            assert words[3] not in re.findall(r"\w+", one["counterfactual"])


class TestRankings:
    def test_blind_rankings_are_orders_of_all_components(self):
        rankings = blind_rankings(5, 2)
        assert len({tuple(one) for one in rankings.values()}) == len(rankings) == 6
        assert all(sorted(one) == sorted(component_names(5, 2)) for one in rankings.values())
        assert rankings["early layers first"][0] == "m0"
        assert rankings["MLPs first, late before early"][:5] == ["m4", "m3", "m2", "m1", "m0"]
        assert rankings["first MLP, other MLPs, late before early"][:3] == ["m0", "m4", "m3"]
        assert rankings["random 0"] == blind_rankings(5, 2)["random 0"]

    def test_effects_are_ranked_by_size_or_by_sign(self):
        effects = np.array([0.1, -3.0, 2.0, 0.1])
        names = ["a0.h0", "a0.h1", "m0", "m1"]
        assert ranking_of(effects, names, by_size=True) == ["a0.h1", "m0", "a0.h0", "m1"]
        assert ranking_of(effects, names, by_size=False) == ["m0", "a0.h0", "m1", "a0.h1"]

    def test_attribution_is_the_slope_of_patching(self):
        """On a pair whose counterfactual is nearly the clean prompt, gradients say what ablation measures."""
        pairs = tiny_circuit.pairs(16)
        exact = ablated_one_by_one(tiny_circuit.model(), pairs, quiet)
        one, many = (attributed(tiny_circuit.model(), pairs, steps, quiet) for steps in (1, 5))
        for approximate in (one, many):
            assert np.corrcoef(exact, approximate)[0, 1] > 0.7
        assert not np.allclose(one, many)

    def test_ablation_one_by_one_is_what_keeping_all_others_gives(self):
        pairs = tiny_circuit.pairs(6)
        runs = PatchedRuns(tiny_circuit.model(), pairs)
        intact = runs.metric(COMPONENTS).mean()
        expected = [(intact - runs.metric(set(COMPONENTS) - {name}).mean()).item() for name in COMPONENTS]
        assert ablated_one_by_one(tiny_circuit.model(), pairs, quiet) == pytest.approx(expected, abs=1e-5)

    def test_attributions_do_not_depend_on_how_pairs_are_batched(self):
        pairs = tiny_circuit.pairs(16)
        parts = [attributed(tiny_circuit.model(), pairs.part(rows), 2, quiet) for rows in (slice(8), slice(8, 16))]
        together = attributed(tiny_circuit.model(), pairs, 2, quiet)
        assert together == pytest.approx(np.mean(parts, axis=0), abs=1e-5)


def measured(reference, blind, *, correct=0.95, gap=2.0, halves=0.0):
    """Results of a measurement in which two rankings have these closenesses in every draw."""
    rng = np.random.default_rng(0)
    effects = rng.standard_normal(300)
    pairs = np.arange(40) % 5 / 5  # so that the gap has an error
    results = {
        "behaviour": {
            "components": np.array(component_names(30, 9)),
            "clean": gap + pairs,
            "nothing": np.zeros(40),
            "correct": (np.arange(40) < 40 * correct).astype(float),
        },
        "eap_ig": {"effects": np.stack([effects, (1 - halves) * effects + halves * rng.standard_normal(300)])},
        "attribution": {"effects": effects[None]},
        "single_ablation": {"effects": effects[None]},
    }
    for draw in range(3):
        curves = [np.array([0, *[2 * closeness - 0.5] * 6, 1])[:, None] for closeness in (reference, blind)]
        titles = np.array(["eap_ig by size", "blind: random 0"])
        results[f"curves_{draw}"] = {"titles": titles, "metrics": np.stack(curves)}
    return results


class TestMeasurement:
    MEASUREMENT = TASKS["circuits/ioi_real"].measurement

    def failures(self, results):
        return [check.name for check in self.MEASUREMENT.checks(results) if not check.passed]

    def test_a_good_one_passes(self):
        assert self.failures(measured(0.8, 0.5)) == []

    @pytest.mark.parametrize(
        ("results", "failed"),
        [
            (measured(0.55, 0.5), ["reference/above_best_blind_mean"]),
            (measured(0.5, 0.6), ["reference/above_best_blind_mean", "reference/above_best_blind_least"]),
            (measured(0.8, 0.5, correct=0.5), ["behaviour/accuracy"]),
            (measured(0.8, 0.5, gap=-0.4), ["behaviour/gap_in_errors"]),
            (measured(0.8, 0.5, halves=1.0), ["reference/halves_share_of_first_30"]),
        ],
        ids=["hardly better than blind", "worse than blind", "wrong answers", "no gap", "halves disagree"],
    )
    def test_what_is_not_true_is_not_certified(self, results, failed):
        assert self.failures(results) == failed

    def test_scores_need_the_reference_and_the_best_blind_rankings(self):
        kept = self.MEASUREMENT.kept(measured(0.8, 0.5))
        assert sorted(kept["reference"]) == sorted(component_names(30, 9))
        assert list(kept["chance"]) == ["blind: random 0"]
        assert kept["curves"].shape == (3, 2, 8, 1)

    @every_task
    def test_other_prompts_are_another_measurement(self, task_id):
        task = TASKS[task_id]
        changed = dataclasses.replace(task.behaviour, hidden_pairs=task.behaviour.hidden_pairs + 1)
        assert len({task.behaviour.sha256(), task.measurement.inputs_sha256(), changed.sha256()}) == 2

    @every_task
    def test_steps_have_names_of_their_own(self, task_id):
        names = [step.name for step in TASKS[task_id].measurement.steps()]
        assert len(set(names)) == len(names) == 7
        assert TASKS[task_id].measurement.id == task_id


class TestBudgets:
    """In lengths of a prompt, of what one pair costs in all 300 components of the default model."""

    READ = 2 * price_of(Work(1, sites=300))
    ATTRIBUTED = READ + 5 * price_of(Work(1, patched=True, gradients=True, sites=60))
    ABLATED = 300 * price_of(Work(1, patched=True))

    @pytest.fixture
    def budgets(self, task_id):
        task = TASKS[task_id]
        budgets = {level: terms.budget / LENGTH[task_id] for level, terms in task.laboratory.items()}
        assert task.known_levels() == [1, *budgets]
        return budgets

    @every_task
    def test_they_fall_with_the_level(self, task_id, budgets):
        assert budgets[2] >= 2 * budgets[3] > 8 * budgets[4]

    @every_task
    def test_a_tight_one_is_enough_for_attribution_and_too_little_for_ablation_on_ten_pairs(self, task_id, budgets):
        assert self.ATTRIBUTED < budgets[3] < 10 * self.ABLATED

    @every_task
    def test_the_lowest_one_does_not_read_half_of_the_components_of_a_single_pair(self, task_id, budgets):
        assert budgets[4] < self.READ / 2


@every_task
def test_the_docs_show_what_was_measured(task_id):
    table = table_of(TASKS[task_id])
    assert table in (suite_root() / "docs" / "truth" / "real-circuits.md").read_text()


class TestPublicCode:
    @pytest.fixture
    def workspace(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        return tmp_path

    @every_task
    def test_the_setup_cell_gives_data_more_data_and_the_metric(self, task_id, workspace):
        behaviour, tokenizer = TASKS[task_id].behaviour, WordTokenizer()
        pairs = behaviour.pairs(behaviour.public, 30, 0, tokenizer)
        data = {"prompts": pairs.clean, "counterfactuals": pairs.counterfactual}
        save_file({**data, "options": pairs.options, "weights": pairs.weights}, workspace / "data.safetensors")
        (workspace / "frames.json").write_text(json.dumps(dict(behaviour.public)))
        names = {
            "model": SimpleNamespace(cfg=SimpleNamespace(n_layers=2, n_heads=3)),
            "tokenizer": tokenizer,
            "torch": torch,
            "device": "cpu",
        }
        exec(real_task._setup_code(behaviour), names)
        assert names["components"] == component_names(2, 3)
        again = names["generate"](30, seed=0)
        assert all(
            torch.equal(one, two)
            for one, two in zip(again, (pairs.clean, pairs.counterfactual, pairs.options, pairs.weights), strict=True)
        )
        logits = torch.randn(30, 200, generator=torch.Generator().manual_seed(0))
        torch.testing.assert_close(names["metric"](logits), pairs.metric(logits))

    @every_task
    def test_the_cell_of_a_laboratory_gives_the_same_from_its_tokenizer_alone(self, task_id, workspace):
        behaviour, tokenizer = TASKS[task_id].behaviour, WordTokenizer()
        pairs = behaviour.pairs(behaviour.public, 30, 0, tokenizer)
        data = {"prompts": pairs.clean, "counterfactuals": pairs.counterfactual}
        save_file({**data, "options": pairs.options, "weights": pairs.weights}, workspace / "data.safetensors")
        (workspace / "frames.json").write_text(json.dumps(dict(behaviour.public)))
        tokenize = lambda texts: [[0, *tokenizer.encode(text, add_special_tokens=False)] for text in texts]  # noqa: E731
        lab = SimpleNamespace(shape={"n_layers": 2, "n_heads": 3}, tokenize=tokenize)
        names = {"lab": lab, "torch": torch, "json": json, "load_file": load_file}
        exec(real_task._laboratory_code(behaviour), names)
        assert names["components"] == component_names(2, 3)
        again, logits = names["generate"](30, seed=0), torch.randn(30, 200, generator=torch.Generator().manual_seed(0))
        for one, two in zip(again, (pairs.clean, pairs.counterfactual, pairs.options, pairs.weights), strict=True):
            assert torch.equal(one, two)
        torch.testing.assert_close(names["metric"](logits), pairs.metric(logits))

    @every_task
    @pytest.mark.parametrize("code", [real_task._setup_code, real_task._laboratory_code], ids=["weights", "lab"])
    def test_public_code_and_frames_hold_nothing_hidden(self, task_id, code):
        behaviour = TASKS[task_id].behaviour
        public = code(behaviour) + json.dumps(dict(behaviour.public))
        (key,) = {"templates", "joints"} & set(behaviour.public)
        only_hidden = set(behaviour.hidden[key]) - set(behaviour.public[key])
        if key == "templates":
            assert not [template for template in only_hidden if template in public]
        for name in set(behaviour.hidden) - {"verbs", "sizes", key}:
            for word in behaviour.hidden[name]:
                assert f'"{word}"' not in public
