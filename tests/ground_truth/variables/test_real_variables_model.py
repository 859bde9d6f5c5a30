"""The tasks about properties in the real language model itself."""

from __future__ import annotations

import json
import random
from functools import cache

import pytest
import torch

from ground_truth.variables.real import words as word_lists
from scribe_suite.errors import AnswerError
from scribe_suite.measurements import REAL_MODEL
from scribe_suite.models.description import tokenizer_of
from scribe_suite.models.evaluator import evaluator_model
from scribe_suite.paths import suite_root
from scribe_suite.scoring.real_subspace import Parts, score_claim
from scribe_suite.tasks.prompts import render_prompt
from scribe_suite.tasks.task import Score, TaskInstance

from .test_real_variables import TASKS, every_task

pytestmark = pytest.mark.real_models
LIMITS = {"agent_timeout_s": 1800, "cell_timeout_s": 300, "max_turns": None}


@cache
def at_the_end(task_id: str, *, null: bool = False) -> TaskInstance:
    """An instance about the first property at the last token, where both properties are."""
    (window,) = [
        window
        for both in TASKS[task_id].asked().values()
        for window in both[null]
        if window.where == "the last token" and window.asked == 0
    ]
    return TASKS[task_id].instance_of(window, 11)


def submitted(instance: TaskInstance, **content) -> Score:
    answer = {**instance.answer_schema.example, **content}
    return instance.task.score(instance, instance.answer_schema.parse(json.dumps(answer)))


def test_every_word_is_one_token():
    tokenizer = tokenizer_of(REAL_MODEL)
    lists = {name: words for name, words in vars(word_lists).items() if name.isupper()}
    assert len(lists) == 7
    for words in lists.values():
        for entry in words:
            for word in entry:
                assert len(tokenizer.encode(f" {word}", add_special_tokens=False)) == 1, word


@every_task
@pytest.mark.parametrize("side", ["public", "hidden"])
def test_all_prompts_of_a_task_have_one_length_and_tokens_are_those_of_the_model(task_id, side):
    behaviour = TASKS[task_id].behaviour
    prompts = behaviour.prompts(getattr(behaviour, side), 200, 5, tokenizer_of(REAL_MODEL))
    assert prompts.tokens.shape == (400, 2, 2, 9)
    text = behaviour.draw(random.Random(5), getattr(behaviour, side))["prompts"][0][0][0]
    assert prompts.tokens[0, 0, 0].tolist() == evaluator_model(REAL_MODEL).to_tokens(text)[0].tolist()


@every_task
def test_an_instance_comes_from_its_seed_alone(task_id):
    first, again, other = (TASKS[task_id].instance(seed) for seed in (3, 3, 4))
    assert first.public.files == again.public.files
    assert torch.equal(first.hidden.prompts.tokens, again.hidden.prompts.tokens)
    assert first.public.files != other.public.files
    assert not torch.equal(first.hidden.prompts.tokens, other.hidden.prompts.tokens)


@every_task
def test_windows_with_nothing_to_find_are_as_frequent_as_prompts_say(task_id):
    drawn = [TASKS[task_id].instance(seed).hidden for seed in range(120)]
    assert 0.15 < sum(hidden.null for hidden in drawn) / len(drawn) < 0.45
    asked = TASKS[task_id].asked().values()
    assert {hidden.window.name for hidden in drawn} == {
        window.name for both in asked for side in both for window in side
    }


@every_task
def test_the_prompt_is_rendered_and_shows_nothing_hidden(task_id):
    instance = TASKS[task_id].instance(5)
    text = render_prompt(suite_root(), instance, LIMITS)
    tokenizer = tokenizer_of(REAL_MODEL)
    assert tokenizer.decode(instance.hidden.prompts.tokens[0, 0, 0, 1:]) not in text
    assert instance.public.facts["examples"][0]["prompt"] in text
    assert instance.hidden.window.name not in text
    assert "built-in method" not in text
    for one in instance.task.behaviour.properties:
        assert f"{one.asks} ({one.values})" in " ".join(text.split())


@every_task
def test_measured_truth_is_there_and_certified(task_id):
    task = TASKS[task_id]
    assert task.unavailable() is None
    assert task.measured().record.certificate.passed


@every_task
def test_answers_are_worth_what_their_exchanges_do(task_id):
    instance = at_the_end(task_id)
    task, hidden = instance.task, instance.hidden
    oracle = task.oracle_answer(instance)
    best = task.score(instance, instance.answer_schema.parse(json.dumps(oracle)))
    assert best.skill == 1
    assert best.reference > 0.4
    generator, width = torch.Generator().manual_seed(0), len(hidden.directions)
    tried = {
        "sign-flipped": -hidden.directions,
        "mixed": hidden.directions @ torch.randn(hidden.directions.shape[1], 4, generator=generator),
        "zeros": torch.zeros(width, 4),
        "random": torch.randn(width, 4, generator=generator),
        "everything": None,
    }
    parts = dict(zip(tried, hidden.parts(*((hidden.best, one) for one in tried.values())), strict=True))
    for name in ("sign-flipped", "mixed"):
        assert parts[name].score == pytest.approx(best.metrics["score"], abs=1e-3), name
    assert parts["zeros"] == Parts(0, 0, 1, 1)
    for name in ("zeros", "random", "everything"):
        assert score_claim(parts[name], best.reference, null=False).skill < 0.05, name
    assert parts["everything"].effect > 0.5
    assert parts["everything"].isolation < 0.05
    assert submitted(instance, directions=[], nothing_found=True).skill == -0.5


@every_task
def test_where_nothing_is_finding_nothing_is_right_and_a_claim_is_none(task_id):
    instance = at_the_end(task_id, null=True)
    task = instance.task
    oracle = task.oracle_answer(instance)
    assert task.score(instance, instance.answer_schema.parse(json.dumps(oracle))).skill == 1
    drawn = task.random_answer(instance, random.Random(0))
    claim = task.score(instance, instance.answer_schema.parse(json.dumps(drawn)))
    assert (claim.skill, claim.flags) == (-1, ("overclaim",))


@every_task
def test_the_answer_of_one_window_is_no_answer_in_another(task_id):
    """The best fixed answer has a layer and a position: elsewhere it is refused, or it claims what is not there."""
    found, null = at_the_end(task_id), at_the_end(task_id, null=True)
    kept = found.task.oracle_answer(found)
    with pytest.raises(AnswerError, match=r"the layers that are asked about|site: must be one of"):
        null.answer_schema.parse(json.dumps(kept))
    with pytest.raises(AnswerError, match="at most 4 are allowed"):
        found.answer_schema.parse(json.dumps({**kept, "directions": [[1.0] + [0.0] * 575] * 5}))
