"""The tasks about circuits on the real language model itself."""

from __future__ import annotations

import random
from functools import cache

import pytest
import torch

from ground_truth.circuits.real import words as word_lists
from scribe_suite.measurements import REAL_MODEL
from scribe_suite.models.description import tokenizer_of
from scribe_suite.models.evaluator import evaluator_model
from scribe_suite.paths import suite_root
from scribe_suite.scoring.circuit_patching import PatchedRuns
from scribe_suite.tasks.prompts import render_prompt

from .real_circuits import TASKS, every_task
from .test_real_circuits import LENGTH

pytestmark = pytest.mark.real_models


@cache
def instance_of(task_id, seed=11):
    return TASKS[task_id].instance(seed)


def scored(task_id, ranking, **fields):
    answer = {"ranking": ranking, "confidence": 0.5, "summary": "", **fields}
    instance = instance_of(task_id)
    return TASKS[task_id].score(
        instance, instance.answer_schema.model.model_validate(answer, context=instance.public.facts)
    )


def test_every_word_is_one_token():
    tokenizer = tokenizer_of(REAL_MODEL)
    lists = {name: words for name, words in vars(word_lists).items() if name.isupper()}
    assert len(lists) == 10
    for words in lists.values():
        for entry in words:
            for word in [entry] if isinstance(entry, str) else entry:
                assert len(tokenizer.encode(f" {word}", add_special_tokens=False)) == 1, word


@every_task
@pytest.mark.parametrize("side", ["public", "hidden"])
def test_all_prompts_of_a_task_have_one_length(task_id, side):
    behaviour = TASKS[task_id].behaviour
    pairs = behaviour.pairs(getattr(behaviour, side), 400, 5, tokenizer_of(REAL_MODEL))
    others = behaviour.pairs(behaviour.public, 2, 5, tokenizer_of(REAL_MODEL))
    assert pairs.clean.shape == (400, others.clean.shape[1])
    assert all(len(set(row)) == len(row) for row in pairs.options.tolist())


@every_task
def test_budgets_are_counted_in_the_length_of_the_prompts(task_id):
    assert instance_of(task_id).public.facts["length"] == LENGTH[task_id]


@every_task
def test_tokens_are_those_of_the_model(task_id):
    """`encode` puts the same token in front as the model's own tokenisation does."""
    task, tokenizer = TASKS[task_id], tokenizer_of(REAL_MODEL)
    drawn = task.behaviour.draw(random.Random(0), task.behaviour.public)["clean"]
    ids = task.behaviour.pairs(task.behaviour.public, 1, 0, tokenizer).clean
    first = evaluator_model(REAL_MODEL).to_tokens(drawn)[0, 0]
    assert ids[0, 0] == first.cpu()


@every_task
def test_an_instance_comes_from_its_seed_alone(task_id):
    first, again, other = (TASKS[task_id].instance(seed) for seed in (3, 3, 4))
    assert first.public.files == again.public.files
    assert torch.equal(first.hidden.pairs.clean, again.hidden.pairs.clean)
    assert first.public.files != other.public.files
    assert not torch.equal(first.hidden.pairs.clean, other.hidden.pairs.clean)


@every_task
def test_the_prompt_is_rendered_and_shows_nothing_hidden(task_id):
    instance = instance_of(task_id)
    text = render_prompt(suite_root(), instance, {"agent_timeout_s": 1800, "cell_timeout_s": 300, "max_turns": None})
    tokenizer = tokenizer_of(REAL_MODEL)
    assert tokenizer.decode(instance.hidden.pairs.clean[0, 1:]) not in text
    assert instance.public.facts["examples"][0]["counterfactual"] in text


@every_task
def test_measured_truth_is_there_and_certified(task_id):
    task = TASKS[task_id]
    assert task.unavailable() is None
    truth = task.measured()
    assert truth.record.certificate.passed
    assert sorted(map(str, truth.arrays["reference"])) == sorted(instance_of(task_id).public.facts["components"])


@every_task
def test_answers_are_worth_what_their_circuits_do(task_id):
    task, instance = TASKS[task_id], instance_of(task_id)
    reference = task.oracle_answer(instance)["ranking"]
    best = scored(task_id, reference)
    assert best.skill == 1
    assert best.reference - best.chance > 0.05
    assert scored(task_id, reference[:150]).skill == 1  # the order of the second half is in no circuit
    cheap = {
        "random": task.random_answer(instance, random.Random(0))["ranking"],
        "reversed": reference[::-1],
        "sorted": sorted(reference),
        "everything as listed": instance.public.facts["components"],
    }
    for name, ranking in cheap.items():
        assert scored(task_id, ranking).skill < 0.35, name
    assert scored(task_id, []).skill < 0


def test_keeping_everything_is_the_model_and_nothing_its_counterfactual():
    """The last position has the same token in both, so that with nothing kept all of it is the counterfactual's."""
    model, pairs = (
        evaluator_model(REAL_MODEL),
        instance_of("circuits/subject_verb_agreement_real").hidden.pairs.part(slice(4)),
    )
    runs = PatchedRuns(model, pairs)
    with torch.no_grad():
        clean, other = (
            pairs.metric(model(tokens.to(model.cfg.device))[:, -1]).cpu()
            for tokens in (pairs.clean, pairs.counterfactual)
        )
    torch.testing.assert_close(runs.metric(runs.components), clean, atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(runs.metric(()), other, atol=1e-3, rtol=1e-3)
