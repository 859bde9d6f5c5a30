"""What holds for the base models of the neuron tasks: certified, different, keys that are the plans of their seeds."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest
import torch

from ground_truth.neurons.planted.base import key_of
from ground_truth.neurons.planted.language_model import CONFIG, KINDS
from scribe_suite.paths import suite_root
from scribe_suite.planting.frozen import FrozenModel, frozen_folder, list_frozen, load_all_frozen, load_frozen
from scribe_suite.planting.hooked import untrained_twin, weights_of
from scribe_suite.planting.neurons.certificate import FEWEST_NEAR_MISSES, neuron_checks
from scribe_suite.planting.neurons.draw import draw_plan
from scribe_suite.planting.neurons.evidence import Evidence
from scribe_suite.planting.neurons.plan import NeuronPlan
from scribe_suite.planting.reference import reference_answer
from tests.ground_truth.neurons.neuron_models import TASKS
from tests.planting.neurons.checking import BARS, DIRECTIONS

WANTED = 4
LARGEST_BYTES = 3_000_000


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def frozen() -> list[FrozenModel]:
    return load_all_frozen(TASKS["unigram"])


@cache
def plan_of(seed: int) -> NeuronPlan:
    return draw_plan(seed, KINDS, int(CONFIG["n_layers"]), int(CONFIG["d_mlp"]))


def test_there_are_enough_base_models_and_they_are_small(frozen: list[FrozenModel]) -> None:
    assert len(frozen) >= WANTED
    for path in list_frozen(frozen_folder(TASKS["unigram"])):
        assert path.with_suffix(".safetensors").stat().st_size < LARGEST_BYTES


def test_every_task_finds_the_same_base_models(frozen: list[FrozenModel]) -> None:
    for task in TASKS.values():
        assert [model.name for model in load_all_frozen(task)] == [model.name for model in frozen]


def test_base_models_have_the_present_architecture(frozen: list[FrozenModel]) -> None:
    for model in frozen:
        assert model.weights.config == dict(CONFIG)


def test_no_two_base_models_ask_the_same(frozen: list[FrozenModel]) -> None:
    questions = [frozenset(model.record.key["questions"]) for model in frozen]
    assert len(set(questions)) == len(frozen)


def test_every_neuron_has_one_part_in_one_question(frozen: list[FrozenModel]) -> None:
    for model in frozen:
        named = [
            name
            for neurons in model.record.key["questions"].values()
            for part in ("key", "near_misses")
            for name in neurons[part]
        ]
        assert len(set(named)) == len(named)


def test_every_question_has_near_misses(frozen: list[FrozenModel]) -> None:
    for model in frozen:
        for question, neurons in model.record.key["questions"].items():
            assert len(neurons["near_misses"]) >= FEWEST_NEAR_MISSES, question


def test_every_base_model_has_the_whole_certificate(frozen: list[FrozenModel]) -> None:
    # a task that was added after the models had been frozen has no reference in them
    references = {f"reference/{name}": ">=" for name in TASKS}
    for model in frozen:
        found = {check.name: check.direction for check in model.record.certificate.checks}
        assert DIRECTIONS.items() <= found.items() <= (DIRECTIONS | references).items()
        assert len(found) > len(DIRECTIONS)


@pytest.mark.slow
def test_the_stored_key_is_the_plan_of_its_seed(frozen: list[FrozenModel]) -> None:
    for model in frozen:
        plan = plan_of(model.record.seed)
        everything = key_of(plan, [item.neuron for item in plan.assignments])
        stored = model.record.key["questions"]
        assert list(stored) == list(everything)
        for question, neurons in stored.items():
            assert neurons["key"] == everything[question]["key"]
            assert set(neurons["near_misses"]) <= set(everything[question]["near_misses"])


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(path, id=path.stem, marks=pytest.mark.exhaustive if rank else pytest.mark.slow)
        for rank, path in enumerate(list_frozen(frozen_folder(TASKS["unigram"])))
    ],
)
def test_the_certificate_of_a_base_model_is_what_its_weights_say(path: Path) -> None:
    model = load_frozen(path, TASKS["unigram"])
    record = model.record
    evidence = Evidence(model.weights, plan_of(record.seed))
    assert record.key == {"questions": key_of(plan_of(record.seed), evidence.near_misses)}
    checks = neuron_checks(evidence, KINDS)
    assert [check.name for check in checks if not check.passed] == []
    for check in checks:
        assert check.value == pytest.approx(record.certificate.value(check.name), abs=2e-3), check.name


@pytest.mark.exhaustive
def test_the_certificate_fails_for_untrained_weights() -> None:
    weights = weights_of(untrained_twin(CONFIG, 0), CONFIG)
    failed = {check.name for check in neuron_checks(Evidence(weights, plan_of(0)), KINDS) if not check.passed}
    assert {"loss/model", "loss/minus_bigram", "loss/minus_unigram", "near_misses/question_min"} <= failed
    assert {f"rve/{task}/planted_min" for task in BARS} <= failed
    assert {f"ablation/{task}/question_min" for task in BARS} <= failed
    assert not {f"rve/{task}/twin_best_p999" for task in BARS} & failed


@pytest.mark.exhaustive
@pytest.mark.parametrize("task_name", TASKS)
def test_the_reference_solution_solves_an_instance_of_every_base_model(task_name: str) -> None:
    task = TASKS[task_name]
    missing = {model.name for model in load_all_frozen(task)}
    for seed in range(100, 200):
        instance = task.instance(seed)
        if instance.base_model in missing:
            missing.discard(instance.base_model)
            score = task.score(instance, reference_answer(suite_root(), instance))
            assert score.skill >= task.pass_mark, (instance.base_model, seed, score.metrics)
        if not missing:
            break
    assert not missing
