"""The task neurons/unigram under everything a solver, a guesser and a cheater would submit."""

from __future__ import annotations

import json
import random
import statistics
from collections.abc import Callable, Collection
from functools import cache

import pytest
import torch
from safetensors.torch import load

from scribe_suite.errors import AnswerError
from scribe_suite.paths import suite_root
from scribe_suite.planting.frozen import FrozenModel, frozen_folder, list_frozen, load_all_frozen
from scribe_suite.planting.hooked import build_model, untrained_twin
from scribe_suite.planting.neurons import (
    TokenFeature,
    all_neurons,
    feature_matrix,
    neuron_activations,
    variance_explained,
)
from scribe_suite.planting.reference import reference_answer
from scribe_suite.planting.word_certificate import OTHERS_BAR, RVE_BAR, word_checks
from scribe_suite.planting.word_plan import draw_word_plan
from scribe_suite.tasks.prompts import render_prompt
from scribe_suite.tasks.registry import TaskRegistry
from scribe_suite.tasks.task import Task, TaskInstance

SEEDS = range(9)
LIMITS = {"agent_timeout_s": 600, "cell_timeout_s": 60, "max_turns": None}


@pytest.fixture(scope="module")
def task() -> Task:
    return TaskRegistry.discover(suite_root())["neurons/unigram"]


@pytest.fixture(scope="module")
def instances(task: Task) -> list[TaskInstance]:
    return [task.instance(seed) for seed in SEEDS]


@pytest.fixture(scope="module")
def frozen(task: Task) -> list[FrozenModel]:
    return load_all_frozen(task)


def submit(instance: TaskInstance, neurons: Collection[str]):
    answer = {"neurons": sorted(neurons), "confidence": 0.5, "nothing_found": not neurons, "summary": "A test."}
    return instance.task.score(instance, instance.answer_schema.parse(json.dumps(answer)))


@cache
def _public_view(task: Task, seed: int):
    instance = task.instance(seed)
    model = build_model(instance.hidden.weights)
    tokens = load(instance.public.files["text.safetensors"])["tokens"].long()[:200]
    feature = TokenFeature("word", instance.hidden.variants)
    names = [str(neuron) for neuron in all_neurons(model.cfg.n_layers, model.cfg.d_mlp)]
    return neuron_activations(model, tokens), feature_matrix([feature], tokens), names


def public_view(instance: TaskInstance):
    """Activations of the instance's model and the word's feature on the public text, and the neurons' names."""
    return _public_view(instance.task, instance.seed)


def top(values: torch.Tensor, names: list[str], count: int) -> list[str]:
    return [names[i] for i in values.argsort(descending=True)[:count].tolist()]


def every_name(instance: TaskInstance) -> list[str]:
    facts = instance.public.facts
    return [str(neuron) for neuron in all_neurons(facts["n_layers"], facts["d_mlp"])]


# --- instances ---------------------------------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_bytes(task: Task) -> None:
    first, second = task.instance(77), task.instance(77)
    assert first.public == second.public
    assert first.hidden.neurons == second.hidden.neurons
    assert torch.equal(first.hidden.text(), second.hidden.text())


def test_instances_differ_in_words_models_neurons_and_text(instances: list[TaskInstance]) -> None:
    assert len({instance.public.facts["word"] for instance in instances}) >= 5
    assert len({instance.base_model for instance in instances}) >= 3
    assert len({instance.hidden.neurons for instance in instances}) == len(instances)
    assert len({instance.public.files["text.safetensors"] for instance in instances}) == len(instances)


def test_a_name_means_another_neuron_in_another_instance_of_the_same_question(task: Task) -> None:
    by_question: dict[tuple[str, str], set[frozenset[str]]] = {}
    for seed in range(40):
        instance = task.instance(seed)
        question = (instance.base_model, instance.public.facts["word"])
        by_question.setdefault(question, set()).add(instance.hidden.neurons)
    repeated = [keys for keys in by_question.values() if len(keys) > 1]
    assert len(repeated) >= 3


def test_the_setup_code_loads_what_the_files_hold(instances: list[TaskInstance], tmp_path, monkeypatch) -> None:
    instance = instances[0]
    for name, content in instance.public.files.items():
        (tmp_path / name).write_bytes(content)
    monkeypatch.chdir(tmp_path)
    namespace: dict = {}
    exec(instance.public.setup_code, namespace)
    facts = instance.public.facts
    assert namespace["tokens"].shape == (facts["n_texts"], facts["text_length"])
    assert len(namespace["vocabulary"]) == facts["d_vocab"] == namespace["model"].cfg.d_vocab
    assert namespace["word"] == facts["word"]
    variants = {i for i, string in enumerate(namespace["vocabulary"]) if string.strip().lower() == namespace["word"]}
    assert variants == instance.hidden.variants
    loss = namespace["model"](namespace["tokens"][:100], return_type="loss").item()
    assert loss < 3.5, "the model can't read the text: ids and strings were not renamed together"


def test_renamed_text_still_reads_as_english(instances: list[TaskInstance]) -> None:
    for instance in instances[:3]:
        strings = json.loads(instance.public.files["vocabulary.json"])
        tokens = load(instance.public.files["text.safetensors"])["tokens"]
        text = "".join(strings[i] for i in tokens[0].tolist())
        assert text.startswith("<doc>")
        assert "\n" in text
        assert len(set(strings)) == len(strings)


def test_hidden_text_is_not_public_text(instances: list[TaskInstance]) -> None:
    for instance in instances[:3]:
        shown = {tuple(row) for row in load(instance.public.files["text.safetensors"])["tokens"].tolist()}
        hidden = [tuple(row) for row in instance.hidden.text().tolist()]
        assert sum(row in shown for row in hidden) == 0


def test_nothing_public_names_the_key(instances: list[TaskInstance]) -> None:
    for instance in instances:
        told = json.dumps({**instance.public.facts}) + instance.public.setup_code
        assert not any(name in told for name in instance.hidden.neurons)
        assert set(instance.public.files) == {
            "config.json",
            "model.safetensors",
            "vocabulary.json",
            "text.safetensors",
            "question.json",
        }
        assert json.loads(instance.public.files["question.json"]) == {"word": instance.public.facts["word"]}


# --- scores ------------------------------------------------------------------------------------------------------


def test_the_oracle_has_skill_one_and_a_high_rve(task: Task, instances: list[TaskInstance]) -> None:
    for instance in instances:
        answer = instance.answer_schema.parse(json.dumps(task.oracle_answer(instance)))
        score = task.score(instance, answer)
        assert score.skill == 1.0
        assert set(score.metrics) == set(task.metrics)
        assert score.metrics["success"] == 1.0
        assert score.metrics["rve"] >= RVE_BAR
        assert score.chance < 0.2


def test_the_empty_answer_has_no_skill_and_rve_zero(instances: list[TaskInstance]) -> None:
    for instance in instances:
        score = submit(instance, [])
        assert score.skill <= 0
        assert score.metrics == {"success": 0.0, "f1": 0.0, "precision": 0.0, "recall": 0.0, "rve": 0.0}


def everything(instance: TaskInstance) -> Collection[str]:
    return every_name(instance)


def complement(instance: TaskInstance) -> Collection[str]:
    return set(every_name(instance)) - instance.hidden.neurons


def first_neurons(instance: TaskInstance) -> Collection[str]:
    return ["L0.N0", "L0.N1", "L1.N0", "L1.N1"]


def the_example(instance: TaskInstance) -> Collection[str]:
    return instance.answer_schema.example["neurons"]


def largest_input_norms(instance: TaskInstance) -> Collection[str]:
    state = instance.hidden.weights.state
    norms = torch.cat([state[f"blocks.{layer}.mlp.W_in"].norm(dim=0) for layer in range(2)])
    return top(norms, every_name(instance), len(instance.hidden.neurons))


def largest_output_norms(instance: TaskInstance) -> Collection[str]:
    state = instance.hidden.weights.state
    norms = torch.cat([state[f"blocks.{layer}.mlp.W_out"].norm(dim=1) for layer in range(2)])
    return top(norms, every_name(instance), len(instance.hidden.neurons))


def most_active(instance: TaskInstance) -> Collection[str]:
    activations, _, names = public_view(instance)
    return top(activations.mean(0), names, len(instance.hidden.neurons))


def largest_peaks(instance: TaskInstance) -> Collection[str]:
    activations, _, names = public_view(instance)
    return top(activations.amax(0), names, len(instance.hidden.neurons))


def best_of_an_untrained_twin(instance: TaskInstance) -> Collection[str]:
    _, feature, names = public_view(instance)
    tokens = load(instance.public.files["text.safetensors"])["tokens"].long()[:200]
    twin = untrained_twin(instance.hidden.weights.config, instance.seed)
    return top(variance_explained(neuron_activations(twin, tokens), feature)[:, 0], names, 3)


def near_misses(instance: TaskInstance) -> Collection[str]:
    return instance.hidden.near_misses


def neurons_of_all_other_planted_words(instance: TaskInstance) -> Collection[str]:
    base = {model.name: model for model in load_all_frozen(instance.task)}[instance.base_model]
    return {
        instance.hidden.symmetry.neuron(name)
        for word, names in base.record.key["words"].items()
        if word != instance.public.facts["word"]
        for name in names
    }


DEGENERATE: list[Callable[[TaskInstance], Collection[str]]] = [
    everything,
    complement,
    first_neurons,
    the_example,
    largest_input_norms,
    largest_output_norms,
    most_active,
    largest_peaks,
    best_of_an_untrained_twin,
    near_misses,
    neurons_of_all_other_planted_words,
]


@pytest.mark.parametrize("rule", DEGENERATE, ids=lambda rule: rule.__name__)
def test_an_answer_without_insight_has_no_skill(
    instances: list[TaskInstance], rule: Callable[[TaskInstance], Collection[str]]
) -> None:
    skills = [submit(instance, rule(instance)).skill for instance in instances]
    assert statistics.mean(skills) <= 0.1


def test_random_answers_are_valid_and_have_no_skill(task: Task, instances: list[TaskInstance]) -> None:
    rng = random.Random(0)
    skills = []
    for instance in instances:
        answer = instance.answer_schema.parse(json.dumps(task.random_answer(instance, rng)))
        skills.append(task.score(instance, answer).skill)
    assert statistics.mean(skills) <= 0.1


def test_near_misses_beside_the_key_cost_precision(instances: list[TaskInstance]) -> None:
    for instance in instances:
        score = submit(instance, instance.hidden.neurons | instance.hidden.near_misses)
        assert score.metrics["recall"] == 1.0
        assert score.metrics["precision"] < 0.75
        assert score.metrics["success"] == 0.0


def test_the_key_has_a_clear_margin_on_the_evaluators_text(instances: list[TaskInstance]) -> None:
    for instance in instances:
        key = instance.hidden.neurons
        inside = [rve for name, rve in instance.hidden.explained.items() if name in key]
        outside = [rve for name, rve in instance.hidden.explained.items() if name not in key]
        assert len(inside) == len(key)
        assert min(inside) >= RVE_BAR
        assert max(outside) <= OTHERS_BAR + 0.05, "the evaluator's text is half of the certificate's"


def test_the_evaluator_measures_rve_itself(instances: list[TaskInstance]) -> None:
    instance = instances[0]
    right, wrong = sorted(instance.hidden.neurons), sorted(instance.hidden.near_misses)
    assert submit(instance, wrong).metrics["rve"] < OTHERS_BAR < RVE_BAR <= submit(instance, right).metrics["rve"]


@pytest.mark.parametrize("neurons", [["L2.N0"], ["L0.N256"], ["L0.N1", "a0.h1"], ["L0.N-1"]])
def test_neurons_that_do_not_exist_are_refused(instances: list[TaskInstance], neurons: list[str]) -> None:
    with pytest.raises(AnswerError, match="no neuron"):
        submit(instances[0], neurons)


# --- what the agent reads ----------------------------------------------------------------------------------------


def test_the_prompt_says_what_is_asked_and_not_how_it_was_made(instances: list[TaskInstance]) -> None:
    for instance in instances[:4]:
        prompt = render_prompt(suite_root(), instance, LIMITS)
        assert f'"{instance.public.facts["word"]}"' in prompt
        for variant in instance.public.facts["variants"]:
            assert json.dumps(variant) in prompt
        assert instance.public.setup_code.strip() in prompt
        told = prompt.lower()
        for secret in ("planted", "near miss", "decoy", "symmetr", "seed", "base model", "frozen", "certificate"):
            assert secret not in told
        assert not any(name in prompt for name in instance.hidden.neurons)


# --- base models -------------------------------------------------------------------------------------------------


def test_there_are_at_least_three_small_base_models_with_different_words(task: Task, frozen) -> None:
    assert len(frozen) >= 3
    assert len({tuple(model.record.key["words"]) for model in frozen}) == len(frozen)
    for path in list_frozen(frozen_folder(task)):
        assert path.with_suffix(".safetensors").stat().st_size < 1_000_000


def test_the_stored_key_is_the_plan_of_its_seed(frozen: list[FrozenModel]) -> None:
    for model in frozen:
        plan = draw_word_plan(model.record.seed, len(model.record.key["words"]), 2, 256)
        assert model.record.key == {"words": plan.key(), "near_misses": plan.near_miss_key()}


def test_every_base_model_has_the_whole_certificate(frozen: list[FrozenModel]) -> None:
    for model in frozen:
        names = {check.name for check in model.record.certificate.checks}
        assert names == {
            "loss/minus_unigram",
            "loss/minus_bigram",
            "rve/planted_min",
            "rve/others_max",
            "rve/near_miss_own_min",
            "rve/twin_best_p999",
            "firing/weakest_variant",
            "ablation/word_min",
            "ablation/neuron_min",
            "ablation/elsewhere_max",
            "reference/f1",
        }


@pytest.mark.slow
def test_the_certificate_of_a_base_model_is_what_its_weights_say(frozen: list[FrozenModel]) -> None:
    record = frozen[0].record
    checks = word_checks(frozen[0].weights, draw_word_plan(record.seed, len(record.key["words"]), 2, 256))
    assert all(check.passed for check in checks)
    for check in checks:
        assert check.value == pytest.approx(record.certificate.value(check.name), abs=1e-3), check.name


@pytest.mark.slow
def test_the_certificate_fails_for_untrained_weights(frozen: list[FrozenModel]) -> None:
    record = frozen[0].record
    weights = frozen[0].weights
    twin = untrained_twin(weights.config, 0)
    random_state = {name: twin.state_dict()[name] for name in weights.state}
    checks = word_checks(
        type(weights)(weights.config, random_state), draw_word_plan(record.seed, len(record.key["words"]), 2, 256)
    )
    failed = {check.name for check in checks if not check.passed}
    assert {"loss/minus_bigram", "rve/planted_min", "ablation/word_min", "firing/weakest_variant"} <= failed


@pytest.mark.slow
def test_the_reference_solution_solves_an_instance_of_every_base_model(task: Task) -> None:
    missing = {model.name for model in load_all_frozen(task)}
    for seed in range(100, 200):
        instance = task.instance(seed)
        if instance.base_model in missing:
            missing.discard(instance.base_model)
            score = task.score(instance, reference_answer(suite_root(), instance))
            assert score.skill >= 0.8
            assert score.metrics["f1"] == 1.0
        if not missing:
            break
    assert not missing
