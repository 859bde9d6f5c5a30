"""What holds for the instances of every neuron task: fresh, complete, consistent, and right answers pay.

What does not pay is in `test_degenerate_neurons`; what holds for the base models is in `test_neuron_models`.
"""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load

from ground_truth.neurons.planted.task import PlantedNeuronTask, base_models
from ground_truth.neurons.planted.truth import HiddenTruth
from scribe_suite.errors import AnswerError
from scribe_suite.paths import suite_root
from scribe_suite.planting.english import TAGS
from scribe_suite.planting.neurons.measure import variance_explained
from scribe_suite.planting.neurons.plan import BARS
from scribe_suite.tasks.prompts import render_prompt
from scribe_suite.tasks.task import TaskInstance
from tests.ground_truth.neurons.neuron_models import SEEDS, TASKS, View, submit

LIMITS = {"agent_timeout_s": 600, "cell_timeout_s": 60, "max_turns": None}
SECRETS = ("planted", "near miss", "decoy", "symmetr", "seed", "base model", "frozen", "certificate", "twin")
SHOWN_NAME = "L1.N3"
"""The neuron that explains what names mean in every prompt."""


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module", params=TASKS)
def task(request: pytest.FixtureRequest) -> PlantedNeuronTask:
    return TASKS[request.param]


@pytest.fixture(scope="module")
def first(task: PlantedNeuronTask) -> TaskInstance:
    return task.instance(0)


@pytest.fixture(scope="module")
def some(task: PlantedNeuronTask, first: TaskInstance) -> list[TaskInstance]:
    return [first, task.instance(1)]


def run_setup(instance: TaskInstance, folder: Path, patch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The names that the set-up cell leaves behind."""
    for name, content in instance.public.files.items():
        (folder / name).write_bytes(content)
    patch.chdir(folder)
    names: dict[str, Any] = {}
    exec(instance.public.setup_code, names)
    return names


@pytest.fixture(scope="module")
def notebook(first: TaskInstance, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    with pytest.MonkeyPatch.context() as patch:
        return run_setup(first, tmp_path_factory.mktemp("kernel"), patch)


# --- fresh for every run -----------------------------------------------------------------------------------------


def test_there_are_five_neuron_tasks_that_share_their_models() -> None:
    assert set(TASKS) == set(BARS)
    assert {task.models_id for task in TASKS.values()} == {"neurons/language_model"}


def test_the_same_seed_gives_the_same_bytes(task: PlantedNeuronTask, first: TaskInstance) -> None:
    again = task.instance(0)
    assert first.public == again.public
    assert first.base_model == again.base_model
    mine, theirs = first.hidden, again.hidden
    assert mine.asked == theirs.asked
    assert torch.equal(mine.text.tokens, theirs.text.tokens)
    assert first.answer_schema == again.answer_schema


def test_instances_differ_in_questions_models_neurons_and_text(task: PlantedNeuronTask) -> None:
    draws = [task.draw(base_models(), seed) for seed in range(30)]
    assert len({(draw.base.name, draw.names) for draw in draws}) >= (4 if task.name != "position_1" else 2)
    assert {draw.base.name for draw in draws} == {base.name for base in base_models()}
    assert len({draw.public_seed for draw in draws} | {draw.hidden_seed for draw in draws}) == 60
    assert len({draw.symmetry.neuron("L0.N0") for draw in draws}) > 20


def test_other_seeds_give_other_public_material(some: list[TaskInstance]) -> None:
    for name in ("text.safetensors", "model.safetensors", "vocabulary.json"):
        assert len({instance.public.files[name] for instance in some}) == len(some), name


def test_a_name_means_another_neuron_in_another_instance_of_the_same_question(task: PlantedNeuronTask) -> None:
    by_question: dict[tuple[str, str], list[frozenset[str]]] = {}
    for seed in range(60):
        draw = task.draw(base_models(), seed)
        for name in draw.names:
            keys = draw.base.key[f"{task.name}/{name}"]["key"]
            if keys:
                by_question.setdefault((draw.base.name, name), []).append(frozenset(map(draw.symmetry.neuron, keys)))
    repeated = [keys for keys in by_question.values() if len(keys) > 1]
    assert repeated
    for keys in repeated:
        # two symmetries may put one neuron in the same place, in one case of 512
        assert len(set(keys)) > 0.8 * len(keys)


def test_hidden_text_is_not_public_text(some: list[TaskInstance]) -> None:
    for instance in some:
        hidden: HiddenTruth = instance.hidden
        shown = {tuple(row) for row in load(instance.public.files["text.safetensors"])["tokens"].tolist()}
        own = [tuple(row) for row in hidden.symmetry.tokens(hidden.text.tokens).tolist()]
        assert len(shown) == 1000
        assert len(own) == 500
        assert not shown & set(own)


# --- what is public ----------------------------------------------------------------------------------------------


def test_nothing_public_names_the_key(some: list[TaskInstance]) -> None:
    for instance in some:
        told = json.dumps(dict(instance.public.facts)) + instance.public.setup_code
        told += instance.public.files["question.json"].decode() + instance.public.files["config.json"].decode()
        assert not re.search(r"L\d+\.N\d+", told)
        expected = {"config.json", "model.safetensors", "vocabulary.json", "text.safetensors", "question.json"}
        if instance.task.name == "syntax":
            expected.add("tag_names.json")
        assert set(instance.public.files) == expected
        tensors = {"tokens", "tags"} if instance.task.name == "syntax" else {"tokens"}
        assert set(load(instance.public.files["text.safetensors"])) == tensors


def test_the_set_up_cell_loads_what_the_files_hold(first: TaskInstance, notebook: dict[str, Any]) -> None:
    facts = first.public.facts
    assert notebook["tokens"].shape == (facts["n_texts"], facts["text_length"])
    assert len(notebook["vocabulary"]) == facts["d_vocab"] == notebook["model"].cfg.d_vocab
    assert (notebook["model"].cfg.n_layers, notebook["model"].cfg.d_mlp) == (facts["n_layers"], facts["d_mlp"])
    assert notebook["question"].items() <= facts.items()
    assert notebook["question"]["bar"] == BARS[first.task.name]
    if first.task.name == "syntax":
        assert notebook["tag_names"] == list(TAGS)
        assert notebook["tags"].shape == notebook["tokens"].shape
        assert {notebook["tag_names"][tag] for tag in notebook["tags"][:, 0].tolist()} == {"mark"}


def test_renamed_text_still_reads_as_english(some: list[TaskInstance]) -> None:
    for instance in some:
        strings = View(instance, 1).strings
        tokens = load(instance.public.files["text.safetensors"])["tokens"]
        text = "".join(strings[i] for i in tokens[0].tolist())
        assert text.startswith("<doc>")
        assert re.search(r"[a-z]+ [a-z]+ [a-z]+", text)
        assert len(set(strings)) == len(strings)


def test_the_tokenizer_goes_from_text_to_ids_and_back(notebook: dict[str, Any]) -> None:
    tokenizer = notebook["tokenizer"]
    for row in notebook["tokens"][:200].tolist():
        assert tokenizer.encode(tokenizer.decode(row)) == row
    assert tokenizer.encode("") == []
    assert tokenizer.decode(notebook["tokens"][0]) == tokenizer.decode(notebook["tokens"][0].tolist())


@pytest.mark.parametrize("text", ["<doc>The xylophonist", "<doc>the qwzx", "\t", " the the1"])
def test_the_tokenizer_refuses_words_it_does_not_know(notebook: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match="words that are no tokens"):
        notebook["tokenizer"].encode(text)


def test_the_model_reads_the_text(some: list[TaskInstance]) -> None:
    """Ids, strings and weights were renamed together."""
    generator = torch.Generator().manual_seed(0)
    for instance in some:
        view = View(instance, 60)
        tokens = view.text["tokens"]
        shuffled = torch.stack([row[torch.randperm(len(row), generator=generator)] for row in tokens])
        loss = view.model(tokens, return_type="loss").item()
        assert loss < 4.6
        assert view.model(shuffled, return_type="loss").item() > loss + 1


# --- right answers -----------------------------------------------------------------------------------------------


def test_the_oracle_has_skill_and_success_one(task: PlantedNeuronTask, some: list[TaskInstance]) -> None:
    for instance in some:
        score = task.score(instance, instance.answer_schema.parse(json.dumps(task.oracle_answer(instance))))
        assert score.skill == 1.0
        assert set(score.metrics) == set(task.metrics)
        assert score.metrics["success"] == 1.0
        assert score.metrics["rve"] >= BARS[task.name]
        assert score.chance <= 0.2
        assert score.notes


def test_what_the_prompt_defines_is_the_key(some: list[TaskInstance]) -> None:
    """Everything above the bar on public text is the key: what a careful solver finds."""
    for instance in some:
        view = View(instance, 500)
        features = torch.stack([view.feature(asked) for asked in view.hidden.asked], dim=1)
        explained = variance_explained(view.activations, features)
        for column, asked in enumerate(view.hidden.asked):
            statistic = asked.question.statistic(explained[:, column])
            above = {
                name
                for name, value in zip(view.names, statistic.tolist(), strict=True)
                if value >= BARS[asked.question.task]
            }
            assert above == asked.neurons, asked.question.id


def test_the_evaluators_statistic_has_the_key_above_the_bar_and_all_others_below(first: TaskInstance) -> None:
    hidden: HiddenTruth = first.hidden
    names = View(first, 1).names
    for asked in hidden.asked:
        found = dict(zip(names, hidden.statistic(asked, names), strict=True))
        bar = asked.question.bar
        assert all(found[name] > bar for name in asked.neurons), asked.question.id
        assert all(value < bar for name, value in found.items() if name not in asked.neurons), asked.question.id
        assert asked.near_misses
        assert not asked.near_misses & asked.neurons


def test_the_evaluator_measures_what_is_submitted(first: TaskInstance) -> None:
    hidden: HiddenTruth = first.hidden
    bar = BARS[first.task.name]  # type: ignore[index]
    right = submit(first, {one.question.name: sorted(one.neurons) for one in hidden.asked})
    wrong = submit(first, {one.question.name: sorted(one.near_misses) for one in hidden.asked})
    assert wrong.metrics["rve"] < bar <= right.metrics["rve"]
    named = set(re.findall(r"L\d+\.N\d+", " ".join(wrong.notes)))
    assert named
    assert named <= hidden.near_misses, "a note names a neuron that was not submitted"


def test_only_neurons_of_the_position_have_their_information_measured(
    task: PlantedNeuronTask, first: TaskInstance
) -> None:
    score = submit(first, {one.question.name: sorted(one.neurons) for one in first.hidden.asked})
    assert ("information" in score.metrics) == (task.name == "position")
    assert score.metrics.get("information", 1.0) > 0.2


@pytest.mark.parametrize("neuron", ["L3.N0", "L0.N512", "a0.h1", "L0.N-1", ""])
def test_neurons_that_do_not_exist_are_refused(first: TaskInstance, neuron: str) -> None:
    with pytest.raises(AnswerError, match="no neuron"):
        submit(first, {one.question.name: [neuron] for one in first.hidden.asked} if neuron else _unnamed(first))


def _unnamed(instance: TaskInstance) -> dict[str, list[str]]:
    """An empty name beside one that exists, so that the answer is not empty."""
    names = [one.question.name for one in instance.hidden.asked]
    return {names[0]: ["", "L0.N1"], **{name: ["L0.N1"] for name in names[1:]}}


def test_random_answers_are_valid(task: PlantedNeuronTask, first: TaskInstance) -> None:
    rng = random.Random(0)
    for _ in range(20):
        first.answer_schema.parse(json.dumps(task.random_answer(first, rng)))


def test_the_example_is_a_valid_answer_that_is_not_the_key(first: TaskInstance) -> None:
    example = dict(first.answer_schema.example)
    score = first.task.score(first, first.answer_schema.parse(json.dumps(example)))
    assert score.metrics["success"] == 0.0


# --- what the agent reads ----------------------------------------------------------------------------------------


def test_the_prompt_says_what_is_asked_and_not_how_it_was_made(some: list[TaskInstance]) -> None:
    for instance in some:
        prompt = render_prompt(suite_root(), instance, LIMITS)
        for value in json.loads(instance.public.files["question.json"]).values():
            for part in value if isinstance(value, list) else [value]:
                assert re.search(rf"\b{part}\b", prompt), part
        assert instance.public.setup_code.strip() in prompt
        assert f"explains at least {BARS[instance.task.name]} of" in " ".join(prompt.split())
        for secret in SECRETS:
            assert secret not in prompt.lower()
        example = json.dumps(dict(instance.answer_schema.example))
        shown = set(re.findall(r"L\d+\.N\d+", prompt))
        assert shown == set(re.findall(r"L\d+\.N\d+", example)) | {SHOWN_NAME}


def test_the_prompt_of_a_word_shows_its_tokens() -> None:
    instance = TASKS["unigram"].instance(0)
    prompt = render_prompt(suite_root(), instance, LIMITS)
    assert len(instance.public.facts["variants"]) == 4
    for variant in instance.public.facts["variants"]:
        assert json.dumps(variant) in prompt
        assert variant in View(instance, 1).strings


@pytest.mark.parametrize("name", ["rising", "falling", "band"])
def test_the_prompt_of_every_shape_defines_it(name: str) -> None:
    task = TASKS["position"]
    seed = next(seed for seed in range(200) if task.draw(base_models(), seed).names[0].startswith(name))
    prompt = render_prompt(suite_root(), task.instance(seed), LIMITS)
    told = {
        "rising": "positively correlated",
        "falling": "negatively correlated",
        "band": "the position is in this range",
    }
    for shape, words in told.items():
        assert (words in prompt) == (shape == name)


@pytest.mark.parametrize("name", ["active", "silent"])
def test_the_prompt_of_position_one_says_which_way(name: str) -> None:
    task = TASKS["position_1"]
    seed = next(seed for seed in range(200) if task.draw(base_models(), seed).names[0] == name)
    prompt = render_prompt(suite_root(), task.instance(seed), LIMITS)
    assert f"Which neurons are {name} at exactly position 1" in prompt
    assert (" is\nless active there than elsewhere" in prompt) == (name == "silent")


# --- letters -----------------------------------------------------------------------------------------------------


def test_one_of_five_letters_has_no_neuron_and_it_stands_anywhere() -> None:
    task = TASKS["alphabet"]
    places: Counter[int] = Counter()
    for seed in range(100):
        draw = task.draw(base_models(), seed)
        assert len(set(draw.names)) == 5
        (absent,) = [i for i, name in enumerate(draw.names) if not draw.base.key[f"alphabet/{name}"]["key"]]
        places[absent] += 1
    assert min(places[place] for place in range(5)) >= 8


def test_null_is_right_for_the_letter_without_neurons_and_any_key_neuron_for_the_others() -> None:
    instance = TASKS["alphabet"].instance(0)
    hidden: HiddenTruth = instance.hidden
    right = {one.question.name: [max(one.neurons)] if one.neurons else [] for one in hidden.asked}
    assert submit(instance, right).metrics["success"] == 1.0
    (absent,) = [one for one in hidden.asked if not one.neurons]
    tempted = submit(instance, {**right, absent.question.name: sorted(absent.near_misses)})
    assert tempted.metrics["accuracy"] == pytest.approx(0.8)
    assert tempted.skill == pytest.approx(0.75, abs=0.08)


def test_seeds_of_this_file_and_of_degenerate_answers_are_enough_for_every_base_model() -> None:
    for task in TASKS.values():
        used = {task.draw(base_models(), seed).base.name for seed in SEEDS}
        assert len(used) >= min(2, len(base_models()))
