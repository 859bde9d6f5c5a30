"""What holds for the instances of every neuron task: fresh, complete, consistent, and right answers pay.

What does not pay is in `test_degenerate_neurons`; what holds for the base models is in `test_neuron_models`. Tests that
run no model go through all tasks, or a few instances of each; those that measure neurons have a case for each task.
"""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load

from ground_truth.neurons.planted.base import base_models
from ground_truth.neurons.planted.hidden import Hidden
from ground_truth.neurons.planted.task import PlantedNeuronTask
from scribe_suite.errors import AnswerError
from scribe_suite.paths import suite_root
from scribe_suite.planting.english import TAGS
from scribe_suite.planting.neurons.measure import variance_explained
from scribe_suite.tasks import ComponentAnswer
from scribe_suite.tasks.prompts import render_prompt
from scribe_suite.tasks.task import TaskInstance
from tests.ground_truth.neurons.neuron_models import SEEDS, TASKS, View, submit

LIMITS = {"agent_timeout_s": 600, "cell_timeout_s": 60, "max_turns": None}
SECRETS = ("planted", "near miss", "decoy", "symmetr", "seed", "base model", "frozen", "certificate", "twin")
#: The neuron that explains what names mean in every prompt.
SHOWN_NAME = "L1.N3"


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> None:
    torch.set_num_threads(1)


@cache
def instance_of(name: str, seed: int) -> TaskInstance:
    return TASKS[name].instance(seed)


def instances() -> list[TaskInstance]:
    """Two of every task, for tests that run no model."""
    return [instance_of(name, seed) for name in TASKS for seed in (0, 1)]


@pytest.fixture(scope="module", params=TASKS)
def task(request: pytest.FixtureRequest) -> PlantedNeuronTask:
    return TASKS[request.param]


@pytest.fixture(scope="module")
def first(task: PlantedNeuronTask) -> TaskInstance:
    """An instance whose measured activations are forgotten with the task's last test."""
    return task.instance(0)


@pytest.fixture(scope="module")
def notebook(first: TaskInstance, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The names that the set-up cell leaves behind."""
    folder: Path = tmp_path_factory.mktemp("kernel")
    for name, content in first.public.files.items():
        (folder / name).write_bytes(content)
    names: dict[str, Any] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        exec(first.public.setup_code, names)
    return names


# --- fresh for every run -----------------------------------------------------------------------------------------


def test_every_task_asks_about_something_that_is_planted_in_its_models() -> None:
    for task in TASKS.values():
        assert task.kind in task.kinds, task.id
        for base in base_models(task):
            assert base.names(task.kind), task.id


def test_the_same_seed_gives_the_same_bytes() -> None:
    for task in TASKS.values():
        first, again = instance_of(task.name, 0), task.instance(0)
        assert first.public == again.public, task.id
        assert first.base_model == again.base_model
        mine, theirs = first.hidden, again.hidden
        assert mine.asked == theirs.asked
        assert torch.equal(mine.text.tokens, theirs.text.tokens)
        assert first.answer_schema == again.answer_schema


def test_instances_differ_in_questions_models_neurons_and_text() -> None:
    for task in TASKS.values():
        bases = base_models(task)
        draws = [task.draw(bases, seed) for seed in range(30)]
        possible = sum(len(base.names(task.kind)) for base in bases)
        assert len({(draw.base.name, draw.names) for draw in draws}) >= min(4, possible / 4), task.id
        assert {draw.base.name for draw in draws} == {base.name for base in bases}
        assert len({draw.public_seed for draw in draws} | {draw.hidden_seed for draw in draws}) == 60
        assert len({draw.symmetry.neuron("L0.N0") for draw in draws}) > 20


def test_other_seeds_give_other_public_material() -> None:
    for task in TASKS:
        for name in ("text.safetensors", "model.safetensors", "vocabulary.json"):
            assert instance_of(task, 0).public.files[name] != instance_of(task, 1).public.files[name], (task, name)


@pytest.mark.slow
def test_a_name_means_another_neuron_in_another_instance_of_the_same_question() -> None:
    for task in TASKS.values():
        by_question: dict[tuple[str, str], list[frozenset[str]]] = {}
        for seed in range(60):
            draw = task.draw(base_models(task), seed)
            for asked in draw.asked(task.kind):
                if asked.neurons:
                    by_question.setdefault((draw.base.name, asked.question.id), []).append(asked.neurons)
        repeated = [keys for keys in by_question.values() if len(keys) > 1]
        assert repeated, task.id
        for keys in repeated:
            # two symmetries may put one neuron in the same place, in one case of 512
            assert len(set(keys)) > 0.8 * len(keys), task.id


def test_hidden_text_is_not_public_text() -> None:
    for instance in instances():
        hidden: Hidden = instance.hidden
        shown = {tuple(row) for row in load(instance.public.files["text.safetensors"])["tokens"].tolist()}
        own = [tuple(row) for row in hidden.symmetry.tokens(hidden.text.tokens).tolist()]
        assert len(shown) == 1000
        assert len(own) == 500
        assert not shown & set(own)


# --- what is public ----------------------------------------------------------------------------------------------


def test_nothing_public_names_the_key() -> None:
    for instance in instances():
        with_tags = TASKS[instance.task.name].with_tags
        public = json.dumps(dict(instance.public.facts)) + instance.public.setup_code
        public += instance.public.files["question.json"].decode() + instance.public.files["config.json"].decode()
        assert not re.search(r"L\d+\.N\d+", public)
        expected = {"config.json", "model.safetensors", "vocabulary.json", "text.safetensors", "question.json"}
        assert set(instance.public.files) == expected | ({"tag_names.json"} if with_tags else set())
        tensors = {"tokens", "tags"} if with_tags else {"tokens"}
        assert set(load(instance.public.files["text.safetensors"])) == tensors


def test_the_set_up_cell_loads_what_the_files_hold(
    task: PlantedNeuronTask, first: TaskInstance, notebook: dict[str, Any]
) -> None:
    facts = first.public.facts
    assert notebook["tokens"].shape == (facts["n_texts"], facts["text_length"])
    assert len(notebook["vocabulary"]) == facts["d_vocab"] == notebook["model"].cfg.d_vocab
    assert (notebook["model"].cfg.n_layers, notebook["model"].cfg.d_mlp) == (facts["n_layers"], facts["d_mlp"])
    assert notebook["question"].items() <= facts.items()
    assert notebook["question"]["bar"] == task.kind.bar
    if task.with_tags:
        assert notebook["tag_names"] == list(TAGS)
        assert notebook["tags"].shape == notebook["tokens"].shape
        assert {notebook["tag_names"][tag] for tag in notebook["tags"][:, 0].tolist()} == {"mark"}


def test_renamed_text_still_reads_as_english() -> None:
    for instance in instances():
        strings = View(instance, 1).strings
        tokens = load(instance.public.files["text.safetensors"])["tokens"]
        text = "".join(strings[i] for i in tokens[0].tolist())
        assert text.startswith("<doc>")
        assert re.search(r"[a-z]+ [a-z]+ [a-z]+", text)
        assert len(set(strings)) == len(strings)


def test_the_tokenizer_goes_from_text_to_ids_and_back_and_refuses_words_it_does_not_know(
    notebook: dict[str, Any],
) -> None:
    tokenizer = notebook["tokenizer"]
    for row in notebook["tokens"][:200].tolist():
        assert tokenizer.encode(tokenizer.decode(row)) == row
    assert tokenizer.encode("") == []
    assert tokenizer.decode(notebook["tokens"][0]) == tokenizer.decode(notebook["tokens"][0].tolist())
    for text in ("<doc>The xylophonist", "<doc>the qwzx", "\t", " the the1"):
        with pytest.raises(ValueError, match="words that are no tokens"):
            tokenizer.encode(text)


@pytest.mark.slow
def test_the_model_reads_the_text() -> None:
    """Ids, strings and weights were renamed together."""
    generator = torch.Generator().manual_seed(0)
    for instance in instances():
        view = View(instance, 60)
        tokens = view.text["tokens"]
        shuffled = torch.stack([row[torch.randperm(len(row), generator=generator)] for row in tokens])
        loss = view.model(tokens, return_type="loss").item()
        assert loss < 4.6
        assert view.model(shuffled, return_type="loss").item() > loss + 1


# --- right answers -----------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_oracle_has_skill_and_success_one(task: PlantedNeuronTask, first: TaskInstance) -> None:
    for instance in (first, task.instance(1)):
        score = task.score(instance, instance.answer_schema.parse(json.dumps(task.oracle_answer(instance))))
        assert score.skill == 1.0
        assert set(score.metrics) == set(task.metrics)
        assert score.metrics["success"] == 1.0
        assert score.metrics["rve"] >= task.kind.bar
        assert score.chance <= 0.2
        assert score.notes


@pytest.mark.slow
def test_what_the_prompt_defines_is_the_key(task: PlantedNeuronTask) -> None:
    """Everything above the bar on public text is the key: what a careful solver finds."""
    for seed in (0, 1):
        view = View(instance_of(task.name, seed), 500)
        features = torch.stack([view.feature(asked) for asked in view.hidden.asked], dim=1)
        explained = variance_explained(view.activations, features)
        for column, asked in enumerate(view.hidden.asked):
            statistic = asked.question.statistic(explained[:, column])
            named = zip(view.names, statistic.tolist(), strict=True)
            assert {name for name, value in named if value >= task.kind.bar} == asked.neurons, asked.question.id


@pytest.mark.slow
def test_the_evaluators_statistic_has_the_key_above_the_bar_and_all_others_below(first: TaskInstance) -> None:
    hidden: Hidden = first.hidden
    names = View(first, 1).names
    for asked in hidden.asked:
        found = dict(zip(names, hidden.statistic(asked, names), strict=True))
        bar = asked.question.bar
        assert all(found[name] > bar for name in asked.neurons), asked.question.id
        assert all(value < bar for name, value in found.items() if name not in asked.neurons), asked.question.id
        assert asked.near_misses
        assert not asked.near_misses & asked.neurons


def test_the_evaluator_measures_what_is_submitted(task: PlantedNeuronTask, first: TaskInstance) -> None:
    hidden: Hidden = first.hidden
    right = submit(first, {one.question.name: sorted(one.neurons) for one in hidden.asked})
    wrong = submit(first, {one.question.name: sorted(one.near_misses) for one in hidden.asked})
    assert wrong.metrics["rve"] < task.kind.bar <= right.metrics["rve"]
    named = set(re.findall(r"L\d+\.N\d+", " ".join(wrong.notes)))
    assert named
    assert named <= hidden.near_misses, "a note names a neuron that was not submitted"


def test_the_example_is_a_valid_answer_that_is_not_the_key(first: TaskInstance) -> None:
    example = dict(first.answer_schema.example)
    score = first.task.score(first, first.answer_schema.parse(json.dumps(example)))
    assert score.metrics["success"] == 0.0


def test_neurons_that_do_not_exist_are_refused() -> None:
    for task in TASKS:
        instance = instance_of(task, 0)
        names = [one.question.name for one in instance.hidden.asked]
        # an empty name stands beside one that exists, so that the answer is not empty
        unnamed = {names[0]: ["", "L0.N1"], **{name: ["L0.N1"] for name in names[1:]}}
        for wrong in ({name: [neuron] for name in names} for neuron in ("L3.N0", "L0.N512", "a0.h1", "L0.N-1")):
            with pytest.raises(AnswerError, match="no neuron"):
                submit(instance, wrong)
        with pytest.raises(AnswerError, match="no neuron"):
            submit(instance, unnamed)


def test_an_answer_of_another_task_is_refused() -> None:
    foreign = ComponentAnswer.model_construct(components=["m0"], confidence=0.5, summary="")
    for task in TASKS.values():
        with pytest.raises(TypeError, match="is scored here, not a ComponentAnswer"):
            task.score(instance_of(task.name, 0), foreign)


def test_random_answers_are_valid() -> None:
    for task in TASKS.values():
        rng, instance = random.Random(0), instance_of(task.name, 0)
        for _ in range(20):
            instance.answer_schema.parse(json.dumps(task.random_answer(instance, rng)))


# --- what the agent reads ----------------------------------------------------------------------------------------


def test_the_prompt_says_what_is_asked_and_not_how_it_was_made() -> None:
    for instance in instances():
        prompt = render_prompt(suite_root(), instance, LIMITS)
        for value in json.loads(instance.public.files["question.json"]).values():
            for part in value if isinstance(value, list) else [value]:
                assert re.search(rf"\b{part}\b", prompt), part
        assert instance.public.setup_code.strip() in prompt
        assert f"explains at least {TASKS[instance.task.name].kind.bar} of" in " ".join(prompt.split())
        for secret in SECRETS:
            assert secret not in prompt.lower()
        example = json.dumps(dict(instance.answer_schema.example))
        shown = set(re.findall(r"L\d+\.N\d+", prompt))
        assert shown == set(re.findall(r"L\d+\.N\d+", example)) | {SHOWN_NAME}


def test_the_prompt_of_a_word_shows_its_tokens() -> None:
    instance = instance_of("unigram", 0)
    prompt = render_prompt(suite_root(), instance, LIMITS)
    assert len(instance.public.facts["variants"]) == 4
    for variant in instance.public.facts["variants"]:
        assert json.dumps(variant) in prompt
        assert variant in View(instance, 1).strings


def prompt_where(task: PlantedNeuronTask, name: str) -> str:
    """The prompt of an instance whose question's name begins with `name`."""
    draws = ((seed, task.draw(base_models(task), seed)) for seed in range(200))
    seed = next(seed for seed, draw in draws if draw.names[0].startswith(name))
    return render_prompt(suite_root(), task.instance(seed), LIMITS)


def test_the_prompt_of_every_shape_defines_it() -> None:
    definitions = {
        "rising": "positively correlated",
        "falling": "negatively correlated",
        "band": "the position is in this range",
    }
    for name in definitions:
        prompt = prompt_where(TASKS["position"], name)
        for shape, words in definitions.items():
            assert (words in prompt) == (shape == name), (name, shape)


def test_the_prompt_of_position_one_says_which_way() -> None:
    for name in ("active", "silent"):
        prompt = prompt_where(TASKS["position_1"], name)
        assert f"Which neurons are {name} at exactly position 1" in prompt
        assert (" is\nless active there than elsewhere" in prompt) == (name == "silent")


# --- letters -----------------------------------------------------------------------------------------------------


def test_one_of_five_letters_has_no_neuron_and_it_stands_anywhere() -> None:
    task = TASKS["alphabet"]
    places: Counter[int] = Counter()
    for seed in range(100):
        draw = task.draw(base_models(task), seed)
        assert len(set(draw.names)) == 5
        (absent,) = [i for i, asked in enumerate(draw.asked(task.kind)) if not asked.neurons]
        places[absent] += 1
    assert min(places[place] for place in range(5)) >= 8


@pytest.mark.slow
def test_null_is_right_for_the_letter_without_neurons_and_any_key_neuron_for_the_others() -> None:
    instance = instance_of("alphabet", 0)
    hidden: Hidden = instance.hidden
    right = {one.question.name: [max(one.neurons)] if one.neurons else [] for one in hidden.asked}
    assert submit(instance, right).metrics["success"] == 1.0
    (absent,) = [one for one in hidden.asked if not one.neurons]
    tempted = submit(instance, {**right, absent.question.name: sorted(absent.near_misses)})
    assert tempted.metrics["accuracy"] == pytest.approx(0.8)
    assert tempted.skill == pytest.approx(0.75, abs=0.08)


def test_seeds_of_this_file_and_of_degenerate_answers_are_enough_for_every_base_model() -> None:
    for task in TASKS.values():
        used = {task.draw(base_models(task), seed).base.name for seed in SEEDS}
        assert len(used) >= min(2, len(base_models(task)))
