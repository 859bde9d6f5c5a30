"""Neuron tasks in laboratories: what is granted and handed over, what a scan would cost, and that they can be done."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from scribe_suite.paths import suite_root
from scribe_suite.planting.reference import reference_answer
from scribe_suite.plugin.worker.laboratories import Laboratories
from scribe_suite.sandbox.probing import probe_isolation
from scribe_suite.tasks.prompts import render_prompt
from scribe_suite.tasks.registry import default_registry
from tests.ground_truth.neurons.neuron_models import TASKS

LIMITS = {"agent_timeout_s": 600, "cell_timeout_s": 60, "max_turns": None}
LEVELS = (2, 3, 4)


@pytest.fixture(scope="module")
def laboratories() -> Iterator[Laboratories]:
    made = Laboratories(probe_isolation("none"), ())
    yield made
    made.close()


@pytest.mark.parametrize("name", TASKS)
def test_budgets_fall_with_the_level_and_a_scan_of_all_texts_fits_none(name: str) -> None:
    budgets = [TASKS[name].laboratory[level].budget for level in LEVELS]
    assert budgets == sorted(set(budgets), reverse=True)
    n_texts, n_layers = 1000, int(TASKS[name].config["n_layers"])
    assert budgets[0] < n_texts / 10
    assert budgets[1] < n_texts * n_layers / 30


@pytest.mark.parametrize("name", TASKS)
def test_nothing_but_noisy_reading_is_granted(name: str) -> None:
    for level in LEVELS:
        terms = TASKS[name].laboratory[level]
        assert terms.operations == {"read"}
        assert terms.read_noise >= 1


@pytest.mark.parametrize("name", TASKS)
def test_there_is_no_arm_of_outputs_alone(name: str) -> None:
    assert TASKS[name].accesses == ("weights", "lab")


def test_levels_share_base_models_and_ask_on_instances_of_their_own() -> None:
    registry = default_registry()
    first, third = registry["neurons/unigram"], registry["neurons/unigram_3"]
    assert first.models_id == third.models_id == "neurons/language_model"
    assert (
        first.instance(0).public.data_files["text.safetensors"]
        != third.instance(0).public.data_files["text.safetensors"]
    )


def test_a_laboratory_hands_over_texts_and_question_but_no_model() -> None:
    handed = default_registry()["neurons/syntax_3"].instance(0).handed
    assert set(handed.files) == {"lab.py", "question.json", "tag_names.json", "text.safetensors", "vocabulary.json"}
    assert "HookedTransformer" not in handed.setup_code


@pytest.mark.parametrize("name", TASKS)
def test_the_prompt_says_how_neurons_are_read(name: str) -> None:
    instance = default_registry()[f"neurons/{name}_3"].instance(0)
    prompt = render_prompt(suite_root(), instance, LIMITS)
    assert 'lab.run(tokens[:2], read=["neurons.1"])' in prompt
    assert "hook" not in prompt.lower()
    assert "`model`" not in prompt


@pytest.mark.slow  # some 15 CPU seconds, most of them imports, base models and blind answers
@pytest.mark.parametrize("task_id", ["neurons/alphabet_3", "neurons/position_3"])
def test_the_reference_solution_solves_it_within_the_budget(
    task_id: str, laboratories: Laboratories, tmp_path: Path
) -> None:
    instance = default_registry()[task_id].instance(0)
    outputs = tmp_path / "attempt" / "outputs"
    outputs.mkdir(parents=True)
    with laboratories.desk(instance, outputs) as desk:
        assert desk is not None
        score = instance.task.score(instance, reference_answer(suite_root(), instance, desk=desk))
        status = desk.status()
    assert score.skill >= instance.task.pass_mark, score.metrics
    assert status.refused == 0
    assert 0 < status.spent <= status.total
