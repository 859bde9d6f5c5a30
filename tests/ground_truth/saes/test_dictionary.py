"""saes/dictionary: what an agent gets, what is right, and that short cuts and constants don't pay."""

from __future__ import annotations

import json
import random
import re
import time
from functools import cache

import numpy as np
import pytest
import torch
from safetensors.torch import load

from ground_truth.saes.dictionaries.levels import LEVELS
from ground_truth.saes.dictionary import Dictionary
from scribe_suite.errors import AnswerError, ConfigurationError
from scribe_suite.paths import suite_root
from scribe_suite.planting.reference import reference_answer
from scribe_suite.tasks.arrays import as_json
from scribe_suite.tasks.prompts import render_prompt
from scribe_suite.tasks.registry import default_registry
from scribe_suite.tasks.task import Score, TaskInstance
from studies.black_box import SOLVERS
from studies.graded.makers import material_of, scored

LIMITS = {"agent_timeout_s": 900, "cell_timeout_s": 120, "max_turns": 30}
every_level = pytest.mark.parametrize("level", LEVELS)


@pytest.fixture(autouse=True, scope="module")
def _one_thread():
    torch.set_num_threads(1)


@cache
def instance_of(level: int, seed: int = 0) -> TaskInstance:
    return Dictionary(level).instance(seed)


def submitted(instance: TaskInstance, rows: np.ndarray) -> Score:
    answer = {"dictionary": as_json(rows), "confidence": 0.5, "summary": "Some."}
    return instance.task.score(instance, instance.answer_schema.parse(json.dumps(answer)))


def test_the_registry_finds_all_levels_and_the_first_runs_by_default():
    facts = [one for one in default_registry().facts.values() if one.id.startswith("saes/dictionary")]
    assert {one.level: one.is_default for one in facts} == {level: level == 1 for level in LEVELS}
    assert {one.models_id for one in facts} == {None}
    assert set(Dictionary.levels) == set(LEVELS)


def test_there_are_no_base_models_to_plant():
    with pytest.raises(ConfigurationError, match="each instance is written from its seed"):
        default_registry().planted("saes/dictionary")


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others():
    task = Dictionary(1)
    first, again, other = (task.instance(seed).public.files for seed in (5, 5, 6))
    assert first == again
    assert first.keys() == other.keys()
    assert first != other


@every_level
def test_agents_get_samples_and_no_word_of_what_depends_on_what(level):
    instance = instance_of(level)
    (samples,) = load(instance.public.files["samples.safetensors"]).values()
    assert samples.shape == (LEVELS[level].samples, LEVELS[level].width)
    assert samples.dtype == torch.float32
    public = render_prompt(suite_root(), instance, LIMITS) + json.dumps(dict(instance.public.facts))
    public += instance.public.setup_code
    secrets = ["seed", "frozen", "planted", "twin", "parent", "child", "group", "hierarchy", "exclu", "absor", "Zipf"]
    assert [word for word in secrets if re.search(rf"(?<![a-z]){word}", public, re.IGNORECASE)] == []
    assert ("turn a little" in public) == (LEVELS[level].turn > 0)


@every_level
def test_an_instance_and_its_ceiling_take_less_than_a_second_each(level):
    task, took = Dictionary(level), []
    for seed in range(2):
        began = time.process_time()
        instance = task.instance(seed)
        drawn = time.process_time()
        assert instance.hidden.ceiling.f1 > 0.5
        took.append((drawn - began, time.process_time() - drawn))
    assert max(map(min, zip(*took, strict=True))) < 1.0


@every_level
def test_the_oracle_has_skill_one_whatever_the_signs_and_every_metric(level):
    instance = instance_of(level)
    score = instance.task.score(
        instance, instance.answer_schema.parse(json.dumps(instance.task.oracle_answer(instance)))
    )
    assert score.skill == 1.0
    assert tuple(score.metrics) == Dictionary.metrics
    flipped = submitted(instance, -instance.hidden.features.directions)
    assert flipped.skill == 1.0
    assert min(flipped.metrics.values()) > 0.999


@every_level
def test_the_ceiling_is_least_squares_and_falls_short_of_the_truth_only_where_samples_are_few(level):
    instance = instance_of(level)
    least_squares = submitted(instance, instance.hidden.samples.least_squares())
    assert least_squares.metrics["f1"] == least_squares.reference
    assert least_squares.skill == 1.0
    assert 0.9 <= least_squares.reference <= 1.0


@every_level
def test_random_constant_and_repeated_answers_have_no_skill(level):
    instance, other = instance_of(level), instance_of(level, 1)
    width, most = LEVELS[level].width, instance.public.facts["max_rows"]
    drawn = instance.task.random_answer(instance, random.Random(1))
    tried = [
        instance.task.score(instance, instance.answer_schema.parse(json.dumps(drawn))),
        submitted(instance, np.empty((0, width))),
        submitted(instance, np.eye(width)),
        submitted(instance, np.random.default_rng(0).standard_normal((most, width)).astype(np.float16)),
        submitted(instance, other.hidden.features.directions),
    ]
    assert [score.skill for score in tried] == [pytest.approx(0, abs=0.01)] * len(tried)
    # a few samples have one active feature at level 1
    samples = submitted(instance, instance.hidden.samples.activations[: LEVELS[level].features])
    assert samples.skill < (0.15 if level == 1 else 0.01)


@every_level
def test_the_truth_among_everything_that_is_allowed_does_not_pay(level):
    instance = instance_of(level)
    right, most = instance.hidden.features.directions, instance.public.facts["max_rows"]
    rest = np.random.default_rng(0).standard_normal((most - len(right), right.shape[1]))
    score = submitted(instance, np.concatenate([right, rest]).astype(np.float32))
    assert score.metrics["recall"] == 1.0
    assert score.skill < 0.5
    with pytest.raises(AnswerError, match=f"at most {most:,} are allowed"):
        submitted(instance, np.ones((most + 1, right.shape[1]), dtype=np.float16))


def test_a_solver_that_looks_at_single_samples_has_no_skill():
    for name, solve in SOLVERS["saes"].items():
        assert solve(instance_of(1)) < 0.15, name


def test_worse_answers_have_lower_scores():
    material = material_of(instance_of(1))
    for path in ("replaced", "doubled"):
        skills = [scored(material.instance, one.content).skill for one in material.graded if one.path == path]
        assert skills == sorted(skills, reverse=True)
        assert skills[0] == 1.0 > skills[1] > skills[-1]


@pytest.mark.slow
def test_the_reference_solves_fresh_instances():
    instance = Dictionary(1).instance(77)
    answer = reference_answer(suite_root(), instance)
    assert instance.task.score(instance, answer).skill >= 0.9
