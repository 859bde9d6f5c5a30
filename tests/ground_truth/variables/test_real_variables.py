"""Prompts, windows, measurements and public code of the tasks on a real model, without that model."""

from __future__ import annotations

import json
import random

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from ground_truth.variables.real import public as real_public
from ground_truth.variables.real.fitting import aligned, changed, components, difference_components, mean_difference
from ground_truth.variables.real.measurement import CONTROLS, METHODS, SubspaceMeasurement
from ground_truth.variables.real.table import DOCUMENT, MARKERS, as_markdown
from ground_truth.variables.real.task import MeasuredSubspaceTask
from scribe_suite.paths import suite_root
from scribe_suite.scoring.crossed_prompts import Exchanges, Spot
from scribe_suite.scoring.real_probes import PAY_OFFS
from scribe_suite.scoring.real_subspace import log_odds, measured_parts
from scribe_suite.tasks.registry import default_registry
from scribe_suite.tasks.solutions import solution_text
from scribe_suite.text import with_table
from tests.ground_truth.circuits.real_circuits import WordTokenizer
from tests.scoring import tiny_circuit
from tests.scoring.test_crossed_prompts import PROMPTS, drawn

TASKS: dict[str, MeasuredSubspaceTask] = {
    task.id: task for task in default_registry().of_family("variables") if isinstance(task, MeasuredSubspaceTask)
}
every_task = pytest.mark.parametrize("task_id", TASKS)


#: Public words that are hidden ones too, because there are no others.
SHARED = {"wheres", "countries", "centuries", "later"}


def test_all_tasks_are_found():
    assert {task.name for task in TASKS.values()} == {"country_real", "number_real"}
    assert {task.source for task in TASKS.values()} == {"real"}


class TestPrompts:
    @every_task
    @pytest.mark.parametrize("side", ["public", "hidden"])
    def test_fours_share_their_words_and_twins_their_values(self, task_id, side):
        behaviour = TASKS[task_id].behaviour
        for seed in range(100):
            drawn = behaviour.draw(random.Random(seed), getattr(behaviour, side))
            assert len({text for row in drawn["options"] for text in row}) == 4
            assert drawn["prompts"][0] != drawn["prompts"][1]
            for context in drawn["prompts"]:
                assert len({text for row in context for text in row}) == 4
                # the first property changes the same word whatever the second is
                changes = [
                    [
                        (one, two)
                        for one, two in zip(context[0][y].split(), context[1][y].split(), strict=True)
                        if one != two
                    ]
                    for y in (0, 1)
                ]
                assert changes[0] == changes[1]
                assert len(changes[0]) == 1

    @every_task
    def test_the_same_seed_gives_the_same_and_another_others(self, task_id):
        behaviour, tokenizer = TASKS[task_id].behaviour, WordTokenizer()
        first, again, other = (behaviour.prompts(behaviour.hidden, 6, seed, tokenizer) for seed in (1, 1, 2))
        assert torch.equal(first.tokens, again.tokens)
        assert torch.equal(first.options, again.options)
        assert not torch.equal(first.tokens, other.tokens)
        assert torch.equal(first.options[0::2], first.options[1::2])

    @every_task
    def test_no_word_is_public_and_hidden(self, task_id):
        behaviour = TASKS[task_id].behaviour
        for name in set(behaviour.public) - SHARED:
            assert not {json.dumps(one) for one in behaviour.public[name]} & {
                json.dumps(one) for one in behaviour.hidden[name]
            }

    def test_another_tokenizer_is_refused_in_one_sentence(self):
        class Letters(WordTokenizer):
            def encode(self, text, add_special_tokens=True):
                assert not add_special_tokens
                return [ord(letter) for letter in text]

        behaviour = TASKS["variables/number_real"].behaviour
        with pytest.raises(Exception, match=r"tokenizer does not align them \(.*\): choose another model"):
            behaviour.prompts(behaviour.public, 4, 0, Letters())


class TestWindows:
    @every_task
    def test_names_differ_and_what_is_tried_is_asked(self, task_id):
        windows = TASKS[task_id].measurement.windows
        assert len({window.name for window in windows}) == len(windows)
        for window in windows:
            first, last = window.layers
            assert all(first <= layer <= last for layer in window.tried)

    @every_task
    def test_the_same_property_and_position_are_asked_with_something_and_with_nothing_to_find(self, task_id):
        task = TASKS[task_id]
        asked = task.asked()
        assert {window.wording for window in task.measurement.windows} == set(asked)
        assert all(found and null for found, null in asked.values())

    def test_to_say_nothing_always_does_not_pay(self):
        assert PAY_OFFS.always_silent < 0


@every_task
def test_the_position_that_is_named_is_where_the_property_is_said(task_id):
    """At the subject or the city the first property's words stand; the last token is the last."""
    task, tokenizer = TASKS[task_id], WordTokenizer()
    tokens = task.behaviour.prompts(task.behaviour.hidden, 20, 0, tokenizer).tokens
    differ = (tokens[:, 0, 0] != tokens[:, 1, 0]).any(0).nonzero().flatten().tolist()
    assert len(differ) == 1
    for window in task.measurement.windows:
        assert window.position == (tokens.shape[-1] - 1 if window.where == "the last token" else differ[0])


class TestMethods:
    """On a model of two properties that are written in directions of the last activation."""

    def test_components_of_differences_start_with_the_difference_of_means(self):
        generator = torch.Generator().manual_seed(0)
        values = torch.randn(8, 4, 6, generator=generator) * 0.1
        values[:, 2:, 0] += 3  # the first property
        values[:, 1::2, 1] += 9  # the second one
        flat = values.flatten(0, 1)
        for found in (mean_difference(flat, 0), difference_components(flat, 0, 1)):
            assert abs(found[0, 0]) > 0.98
        assert abs(difference_components(flat, 1, 1)[1, 0]) > 0.98
        assert abs(components(flat, 1)[1, 0]) > 0.98
        assert changed(2, 1).tolist() == [1, 0, 3, 2, 5, 4, 7, 6]

    def test_the_search_does_better_than_where_it_starts_and_shuffled_labels_do_not(self):
        exchanges = Exchanges(tiny_circuit.model(), PROMPTS, -1, [3])
        spot = Spot(3, "resid_post", tiny_circuit.LENGTH - 1)
        start = torch.linalg.qr(torch.randn(32, 4, generator=torch.Generator().manual_seed(0)))[0]
        done: list[float] = []
        found = aligned(exchanges, 0, spot, start, done.append)
        assert done[-1] == 1
        torch.testing.assert_close(found.T @ found, torch.eye(4), atol=1e-5, rtol=0)

        def error(basis):
            before = log_odds(exchanges.before, 0)
            after = log_odds(exchanges.after(spot, torch.arange(16).reshape(4, 2, 2).flip(1, 2).flatten(), basis), 0)
            return float((after[:, 0] - before[changed(4, 0), 0]).square().mean())

        assert error(found) < 0.7 * error(start)
        assert measured_parts(exchanges, 0, spot, found).effect > measured_parts(exchanges, 0, spot, start).effect


def arrays(best: float, control: float = 0.0, random_score: float = 0.0) -> np.ndarray:
    """Scores of methods and controls as in a window, on two draws."""
    parts = np.zeros((2, len(METHODS) + len(CONTROLS), 5))
    parts[:, 0, 0] = best
    parts[:, len(METHODS) + CONTROLS.index("random"), 0] = random_score
    parts[:, len(METHODS) + CONTROLS.index("DAS on the control task"), 0] = control
    return parts


class TestCertificate:
    @pytest.mark.parametrize(
        ("best", "control", "verdict"),
        [(0.8, 0.1, "found"), (0.5, 0.4, "open"), (0.3, 0.0, "open"), (0.1, 0.0, "null"), (0.1, 0.3, "null")],
    )
    def test_a_verdict_needs_a_margin(self, best, control, verdict):
        assert SubspaceMeasurement.verdict(arrays(best, control)) == verdict

    @pytest.mark.parametrize(
        ("change", "failed"),
        [
            ({}, []),
            ({"random_score": 0.2}, ["random"]),
            ({"best": 0.3}, ["best"]),
            ({"control": 0.7}, ["above_control"]),
        ],
    )
    def test_what_is_not_true_is_not_certified(self, change, failed):
        measurement = TASKS["variables/number_real"].measurement
        results = {"behaviour": {"right": np.array([0.9, 0.9])}}
        results |= {
            f"window_{at}": {"parts": arrays(**{"best": 0.8, **(change if at == 0 else {})})}
            for at in range(len(measurement.windows))
        }
        failures = [check.name for check in measurement.checks(results) if not check.passed]
        assert failures == [f"{measurement.windows[0].name}/{name}" for name in failed]

    def test_a_model_that_does_not_show_the_behaviour_is_not_certified(self):
        measurement = TASKS["variables/number_real"].measurement
        results = {"behaviour": {"right": np.array([0.9, 0.5])}}
        results |= {f"window_{at}": {"parts": arrays(0.8)} for at in range(len(measurement.windows))}
        assert [check.name for check in measurement.checks(results) if not check.passed] == ["behaviour/tense"]

    @every_task
    def test_other_prompts_or_windows_are_another_measurement(self, task_id):
        task = TASKS[task_id]
        fewer = SubspaceMeasurement(task.name, task.behaviour, task.measurement.windows[1:], cost="")
        assert fewer.inputs_sha256() != task.measurement.inputs_sha256()
        assert task.measurement.id == task_id


def test_the_docs_show_what_was_measured():
    text = (suite_root() / DOCUMENT).read_text()
    assert with_table(text, MARKERS, as_markdown()) == text
    assert all(f"| `{task.name}` |" in as_markdown() for task in TASKS.values())


class TestReferenceNotebook:
    @pytest.mark.parametrize("site", ["attn_out", "resid_post"])
    def test_it_runs_and_measures_what_the_scorer_measures(self, site, monkeypatch):
        monkeypatch.setenv("MPLBACKEND", "agg")
        prompts, (first, last) = drawn(40), (1, 3)
        names: dict = {"model": tiny_circuit.model(), "prompts": prompts.tokens, "options": prompts.options}
        names |= {
            "asked": 1,
            "layers": (first, last),
            "sites": [site],
            "position": tiny_circuit.LENGTH - 1,
            "torch": torch,
        }
        exec(real_public._ODDS, names)
        exec(solution_text(suite_root(), TASKS["variables/number_real"]), names)
        answer = names["answer"]
        assert first <= answer["layer"] <= last
        assert answer["nothing_found"] == (not answer["directions"])
        basis = torch.linalg.qr(torch.randn(32, 4, generator=torch.Generator().manual_seed(0)))[0]
        exchanges = Exchanges(tiny_circuit.model(), prompts, -1, [2])
        wanted = measured_parts(exchanges, 1, Spot(2, site, tiny_circuit.LENGTH - 1), basis)
        found, score = names["parts_of"](2, basis, torch.arange(160))
        assert found == pytest.approx(list(vars(wanted).values()), abs=1e-4)
        assert score == pytest.approx(wanted.score, abs=1e-4)


class TestPublicCode:
    @every_task
    def test_the_setup_cell_gives_prompts_more_of_them_and_odds(self, task_id, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        behaviour, tokenizer = TASKS[task_id].behaviour, WordTokenizer()
        prompts = behaviour.prompts(behaviour.public, 10, 0, tokenizer)
        facts = {"asked": {"axis": 1}, "layers": [3, 4], "sites": ["mlp_out"], "asked_position": 8}
        material = real_public.public_material("package:smollm2", behaviour, prompts, facts)
        for name, content in material.data_files.items():
            (tmp_path / name).write_bytes(content)
        names: dict = {"tokenizer": tokenizer, "torch": torch, "device": "cpu"}
        exec(material.data_code, names)
        assert (names["asked"], names["layers"], names["sites"], names["position"]) == (1, (3, 4), ["mlp_out"], 8)
        again = names["generate"](10, seed=0)
        assert torch.equal(again[0], prompts.tokens)
        assert torch.equal(again[1], prompts.options)
        logits = torch.randn(20, 300, generator=torch.Generator().manual_seed(0))
        at = logits.gather(-1, prompts.options.flatten(1)).unflatten(-1, (2, 2))
        torch.testing.assert_close(names["log_odds"](logits, prompts.options), log_odds(at, 0))
        assert load_file(tmp_path / "data.safetensors").keys() == {"prompts", "options"}

    @every_task
    def test_public_files_hold_nothing_hidden(self, task_id):
        behaviour = TASKS[task_id].behaviour
        prompts = behaviour.prompts(behaviour.public, 4, 0, WordTokenizer())
        facts = {"asked": {"axis": 0}, "layers": [3, 4], "sites": ["mlp_out"], "asked_position": 8}
        material = real_public.public_material("package:smollm2", behaviour, prompts, facts)
        public = material.data_code + material.data_files["frames.json"].decode()
        for name in set(behaviour.hidden) - SHARED:
            for entry in behaviour.hidden[name]:
                for word in [entry] if isinstance(entry, str) else entry:
                    assert f'"{word}"' not in public
