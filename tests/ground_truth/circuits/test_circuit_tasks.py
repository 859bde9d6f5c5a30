"""What holds for the instances of every task with a planted circuit: fresh, complete, and no answer pays but the key.

A task takes part once it has frozen base models; what is true of those is in `test_circuit_models`. Bars that need many
instances are in `test_degenerate_circuits`, what planting does in `test_planted_circuits`, what a task computes in a
file of its own.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load

from ground_truth.circuits.planted.task import PlantedCircuitTask
from scribe_suite.paths import suite_root
from scribe_suite.planting.reference import reference_answer
from scribe_suite.scoring.normalise import expected_score
from scribe_suite.scoring.sets import f1
from scribe_suite.tasks.prompts import render_prompt
from scribe_suite.tasks.task import TaskInstance
from tests.ground_truth.circuits.circuit_models import (
    MODELS_WANTED,
    TASKS,
    every_task,
    first_instance,
    instance_of,
    models_of,
    names_of,
    weights_of,
)
from tests.studies.test_degenerate_circuits import content_of, key_of, skill

LIMITS = {"agent_timeout_s": 900, "cell_timeout_s": 120, "max_turns": 30}


@pytest.fixture(autouse=True, scope="module")
def _one_thread():
    torch.set_num_threads(1)


@pytest.fixture
def notebook(task_id, tmp_path):
    """The names that the set-up cell of an instance leaves behind."""
    instance = instance_of(task_id, 0)
    for name, content in instance.public.files.items():
        (tmp_path / name).write_bytes(content)
    space: dict[str, Any] = {}
    with working_in(tmp_path):
        exec(instance.public.setup_code, space)
    return space


@contextlib.contextmanager
def working_in(folder: Path):
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


# --- fresh for every run ----------------------------------------------------------------------------------------------


@every_task
def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(task_id):
    task = TASKS[task_id]
    first, again, other = task.instance(5), task.instance(5), task.instance(6)
    assert first.public.files == again.public.files
    assert first.public.setup_code == again.public.setup_code
    assert key_of(first) == key_of(again)
    assert {name for name, content in first.public.files.items() if content == other.public.files[name]} <= {
        "config.json"
    }


@pytest.mark.slow
@every_task
def test_different_seeds_give_different_keys(task_id):
    counts = Counter(TASKS[task_id].blind.keys)
    assert len(counts) >= MODELS_WANTED - 1
    assert max(counts.values()) <= 0.3 * counts.total()


@every_task
def test_one_base_model_never_looks_the_same_twice(task_id):
    task = TASKS[task_id]
    model = models_of(task_id)[0].name
    one, two = [seed for seed in range(200) if task.choose(seed).name == model][:2]
    states = [weights_of(instance_of(task_id, seed)).state for seed in (one, two)]
    for name in ("embed.W_E", "blocks.0.attn.W_Q", "blocks.0.mlp.W_in", "unembed.W_U"):
        assert not torch.allclose(states[0][name], states[1][name], atol=0.02), name
    names = [names_of(instance_of(task_id, seed)) for seed in (one, two)]
    assert all(names[0][kind] != names[1][kind] for kind in ("tokens", "labels"))


# --- what an agent gets -----------------------------------------------------------------------------------------------


@every_task
def test_names_are_different_and_groups_tell_nothing_of_the_old_ids(task_id):
    plan = TASKS[task_id].plan(0)
    kept = []
    for seed in range(6):
        names = names_of(instance_of(task_id, seed))
        assert len(set(names["tokens"])) == len(names["tokens"]) == plan.causal.d_vocab
        assert len(set(names["labels"])) == len(names["labels"]) == plan.causal.n_labels
        assert all(ids == sorted(set(ids)) for ids in names["groups"].values())
        kept.append(names["groups"] == {name: sorted(ids) for name, ids in plan.causal.groups.items()})
    alone = set(map(len, plan.causal.groups.values())) == {plan.causal.d_vocab}
    assert alone or not all(kept)


def promised_names(instance: TaskInstance) -> set[str]:
    """The Python names that the prompt's list says are there."""
    text = render_prompt(suite_root(), instance, LIMITS)
    listed = text[: text.index("## What to submit")].splitlines()
    # "- `base`, `source`: ..." or "- `generate(n, seed)`: ...; `generate_pairs(n, seed)`: ..."
    heads = [line[2 : line.index("`:")] for line in listed if line.startswith("- `") and "`:" in line]
    return {name for head in heads for name in re.findall(r"`(\w+)", head)}


@every_task
def test_the_set_up_cell_defines_what_the_prompt_names(task_id, notebook):
    facts = instance_of(task_id, 0).public.facts
    promised = promised_names(instance_of(task_id, 0))
    assert {"model", "prompts", "generate"} <= promised
    assert promised <= notebook.keys()
    assert notebook["prompts"].shape == (facts["n_prompts"], facts["n_ctx"])
    assert len(notebook["token_names"]) == facts["n_tokens"]
    assert len(notebook["label_names"]) == facts["n_labels"]
    for name in ("base", "source"):
        assert name not in notebook or notebook[name].shape == (facts["n_pairs"], facts["n_ctx"])


@pytest.mark.slow
@every_task
@torch.no_grad()
def test_public_labels_are_what_the_model_says(task_id, notebook):
    instance = instance_of(task_id, 0)
    given = {"prompts": "labels", "base": "base_labels", "source": "source_labels"}
    if not TASKS[task_id].public_pairs:
        assert not notebook.keys() & {*given.values(), "base", "source", "generate_pairs"}
        given = {}
    for tokens, labels in given.items():
        predicted = notebook["model"](notebook[tokens]).argmax(-1)[:, instance.public.facts["labelled"]]
        right = notebook[labels]
        assert right.shape == (predicted.squeeze(1) if predicted.shape[1] == 1 else predicted).shape
        assert (predicted == right.reshape_as(predicted)).float().mean() > 0.985
    # what the prompt shows is right as well
    causal, names = instance.hidden.causal, names_of(instance)
    ids = {name: i for i, name in enumerate(names["tokens"])}
    for example in instance.public.facts["examples"]:
        if not TASKS[task_id].public_pairs:
            assert "labels" not in example
            continue
        prompt = torch.tensor([[ids[word] for word in example["prompt"].split(" ")]])
        assert [names["labels"][label] for label in causal.run(prompt).labels[0].tolist()] == example["labels"]


@every_task
def test_public_generators_draw_what_hidden_prompts_are_drawn_from(task_id, notebook):
    causal = instance_of(task_id, 0).hidden.causal
    for seed in (0, 3):
        assert torch.equal(notebook["generate"](64, seed), causal.sample(64, torch.Generator().manual_seed(seed)))
    if TASKS[task_id].public_pairs:
        base, source = notebook["generate_pairs"](64, 3)
        wanted_base, wanted_source = causal.sample_pairs(64, torch.Generator().manual_seed(3))
        assert torch.equal(base, wanted_base)
        assert torch.equal(source, wanted_source)
    held_out, drawn = instance_of(task_id, 0).hidden.held_out.base, notebook["generate"](5000, 1)
    chosen = type(TASKS[task_id]).hidden_pairs is not PlantedCircuitTask.hidden_pairs
    for position in range(causal.n_ctx):
        counts = [torch.bincount(rows[:, position], minlength=causal.d_vocab) for rows in (held_out, drawn)]
        one, other = (count / count.sum() for count in counts)
        assert not one[other == 0].any()
        # total variation; 512 prompts of some tens of words: about 0.1. A task may hold out one kind of prompts only
        assert chosen or (one - other).abs().sum() / 2 < 0.2


@every_task
def test_held_out_pairs_are_not_public(task_id):
    instance = instance_of(task_id, 0)
    data, secret = load(instance.public.files["data.safetensors"]), instance.hidden.held_out
    if "base" in data:  # prompts of a small vocabulary repeat, pairs of them do not
        public, hidden = torch.cat([data["base"], data["source"]], 1), torch.cat([secret.base, secret.source], 1)
    else:
        public, hidden = data["prompts"], secret.base
    known = set(map(tuple, public.tolist()))
    assert sum(tuple(row) in known for row in hidden.tolist()) < 0.02 * len(hidden)


@every_task
def test_the_prompt_gives_nothing_away(task_id):
    task, instance = TASKS[task_id], instance_of(task_id, 0)
    text = render_prompt(suite_root(), instance, LIMITS)
    public = text + json.dumps(dict(instance.public.facts)) + instance.public.setup_code
    public += "".join(instance.public.files[name].decode() for name in ("config.json", "names.json"))
    # the generators' own argument is no secret
    public = re.sub(r"\bmanual_seed\(seed\)|\b(generate|generate_pairs)\(n, seed(=0)?\)", "", public)
    plan = task.plan(0)
    secrets = [task.id, task.name, "seed", "frozen", "SIIT", "decoy", "planted", "intervened", instance.base_model]
    secrets += [type(plan.causal).__name__, type(task).__name__, "correspondence"]
    found = [secret for secret in secrets if re.search(rf"(?<![a-z]){re.escape(secret)}(?![a-z])", public, re.I)]
    assert found == []


@every_task
def test_the_example_answer_is_valid_and_names_what_exists(task_id):
    instance = instance_of(task_id, 0)
    instance.answer_schema.parse(json.dumps(dict(instance.answer_schema.example)))
    example = instance.answer_schema.example
    named = set(example["roles"] if "roles" in example else example["components"])
    assert named <= set(instance.public.facts["components"])


# --- what pays --------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@every_task
def test_the_oracle_has_skill_one_and_every_metric(task_id):
    task, instance = TASKS[task_id], instance_of(task_id, 0)
    score = task.score(instance, instance.answer_schema.parse(json.dumps(task.oracle_answer(instance))))
    assert score.skill == 1.0
    assert set(score.metrics) == set(task.metrics)
    assert "by themselves" in score.notes[-1]
    assert score.chance == (0.0 if score.primary == "combined" else task.blind.chance)  # there it is inside the primary
    assert task.blind.chance < 0.7
    assert key_of(instance) <= set(instance.public.facts["components"])


@every_task
def test_chance_is_what_the_best_guess_is_worth_on_average(task_id):
    task = TASKS[task_id]
    rng = random.Random(1)
    guesses = [
        frozenset(rng.choice(task.blind.keys)) for _ in range(30)
    ]  # a key of another instance, say a published one
    assert max(expected_score(guess, task.blind.keys, f1) for guess in guesses) <= task.blind.chance + 1e-9


CHEAP = {
    "nothing": lambda *_: frozenset(),
    "everything": lambda nodes, _: nodes,
    "all heads": lambda nodes, _: frozenset(node for node in nodes if node.startswith("a")),
    "all MLPs": lambda nodes, _: frozenset(node for node in nodes if node.startswith("m")),
    "the complement": lambda nodes, key: nodes - key,
}


@every_task
@pytest.mark.slow
def test_answers_without_work_have_no_skill(task_id):
    instances = [instance_of(task_id, seed) for seed in range(5)]
    means = {}
    for name, answer in CHEAP.items():
        skills = []
        for instance in instances:
            nodes = answer(frozenset(instance.public.facts["components"]), key_of(instance))
            skills.append(skill(instance, content_of(instance, nodes)))
        means[name] = sum(skills) / len(skills)
    # five instances hit chance only roughly; test_degenerate_circuits takes twenty and more answers
    assert {name: mean for name, mean in means.items() if mean > 0.15} == {}


@every_task
@pytest.mark.slow
def test_random_answers_have_no_skill(task_id):
    rng = random.Random(3)
    skills = []
    for seed in range(6):
        instance = instance_of(task_id, seed)
        skills += [skill(instance, TASKS[task_id].random_answer(instance, rng)) for _ in range(4)]
    assert sum(skills) / len(skills) <= 0.05


def assert_the_reference_solves(instance: TaskInstance) -> None:
    answer = reference_answer(suite_root(), instance, timeout_s=600)
    assert instance.task.score(instance, answer).skill >= instance.task.pass_mark


@pytest.mark.slow
def test_the_reference_solution_solves_an_instance():
    assert_the_reference_solves(instance_of(next(iter(TASKS)), 0))


@every_task
@pytest.mark.slow
def test_the_reference_solution_solves_every_task(task_id):
    # planting has measured it on every base model, `studies/circuit_methods.py` does on many instances
    assert_the_reference_solves(first_instance(task_id, models_of(task_id)[-1].name.rpartition("/")[2]))
