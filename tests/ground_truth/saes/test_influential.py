"""saes/influential: what an agent gets, what is right, and that short cuts and constants don't pay."""

from __future__ import annotations

import json
import random
import re
import time
from functools import lru_cache
from statistics import fmean

import pytest
import torch
from safetensors.torch import load

from ground_truth.saes.influences.levels import LABORATORY, LEVELS
from ground_truth.saes.influences.public import HELD_OUT
from ground_truth.saes.influential import Influential
from scribe_suite.errors import AnswerError
from scribe_suite.paths import suite_root
from scribe_suite.planting.reference import reference_answer
from scribe_suite.planting.saes.certificate import certify_sparse_model
from scribe_suite.tasks.prompts import render_prompt
from scribe_suite.tasks.registry import default_registry
from scribe_suite.tasks.task import Score, TaskInstance
from studies.black_box import LATENT_SOLVERS
from studies.graded.makers import material_of, scored

LIMITS = {"agent_timeout_s": 900, "cell_timeout_s": 120, "max_turns": 30}
every_level = pytest.mark.parametrize("level", LEVELS)
#: Levels 2 and 3 have larger models of one kind, and many sets to zero.
every_level_in_time = pytest.mark.parametrize(
    "level", [1, *(pytest.param(one, marks=pytest.mark.slow) for one in (2, 3))]
)


@pytest.fixture(autouse=True, scope="module")
def _one_thread():
    torch.set_num_threads(1)


@lru_cache(maxsize=6)
def instance_of(level: int, seed: int = 0) -> TaskInstance:
    return Influential(level).instance(seed)


def submitted(instance: TaskInstance, latents: list[int]) -> Score:
    return scored(instance, {"latents": latents})


def test_the_registry_finds_all_levels_and_the_first_runs_by_default():
    found = {facts.level: facts for facts in default_registry().facts.values() if facts.name == "influential"}
    assert {level: facts.is_default for level, facts in found.items()} == {level: level == 1 for level in LEVELS}
    assert {level for level, facts in found.items() if facts.access == "lab"} == set(LABORATORY)


@every_level
def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(level):
    first, again, other = (Influential(level).instance(seed) for seed in (5, 5, 6))
    assert first.public.files == again.public.files
    assert first.hidden.tokens.equal(again.hidden.tokens)
    same = {name for name, content in first.public.files.items() if content == other.public.files[name]}
    assert same <= {"config.json"}


@every_level
def test_agents_get_an_autoencoder_and_no_word_of_how_latents_act(level):
    instance = instance_of(level)
    sae = load(instance.public.data_files["sae.safetensors"])
    assert sae["W_enc"].shape == sae["W_dec"].T.shape
    assert len(sae["threshold"]) == LEVELS[level].n_latents
    public = render_prompt(suite_root(), instance, LIMITS) + json.dumps(dict(instance.public.facts))
    public += instance.public.setup_code
    public = re.sub(r"\bmanual_seed\(seed\)|\bgenerate\(n, seed(=0)?\)", "", public)
    secrets = [
        "seed",
        "planted",
        "written",
        "redundan",
        "gate",
        "slot",
        "group",
        "saturat",
        "loud",
        "opposed",
        "gradsae",
    ]
    assert [word for word in secrets if re.search(rf"(?<![a-z]){word}", public, re.IGNORECASE)] == []
    public_prompts = load(instance.public.data_files["data.safetensors"])["prompts"]
    assert len(instance.hidden.tokens) == HELD_OUT
    assert not instance.hidden.tokens.equal(public_prompts[:HELD_OUT])


@every_level
def test_an_instance_takes_less_than_a_second(level):
    task, took = Influential(level), []
    for seed in range(3):
        began = time.process_time()
        task.instance(seed)
        took.append(time.process_time() - began)
    assert min(took) < 0.5


@every_level_in_time
def test_the_oracle_has_skill_one_and_what_is_scored_is_measured(level):
    instance = instance_of(level)
    oracle = instance.task.oracle_answer(instance)
    score = submitted(instance, oracle["latents"])
    assert score.skill == pytest.approx(1.0, abs=1e-5)
    assert tuple(score.metrics) == Influential.metrics
    assert score.metrics["hits"] == 1.0
    best, effect = instance.hidden.best
    assert instance.hidden.ablations.effect(best) == pytest.approx(effect, rel=1e-4)
    assert len(best) == LEVELS[level].chosen


@every_level_in_time
def test_random_and_constant_answers_have_no_skill(level):
    instances = [instance_of(level, seed) for seed in (0, 1)]
    for name, solve in LATENT_SOLVERS.items():
        assert fmean(solve(instance) for instance in instances) < 0.25, name
    drawn = [
        scored(one, {"latents": one.task.random_answer(one, random.Random(number))["latents"]}).skill
        for one in instances
        for number in range(6)
    ]
    assert fmean(drawn) == pytest.approx(0.0, abs=0.1)
    assert submitted(instances[0], []).skill < 0
    assert submitted(instances[1], instances[0].hidden.best[0]).skill < 0.35


@every_level_in_time
def test_the_least_influential_latents_and_the_loudest_have_no_skill(level):
    instance = instance_of(level)
    chosen, hidden = LEVELS[level].chosen, instance.hidden
    alone = sorted(range(LEVELS[level].n_latents), key=lambda one: hidden.effects.effect([one]))
    assert submitted(instance, alone[:chosen]).skill < 0
    loudest = hidden.ablations.latents.mean(0).argsort(descending=True).tolist()
    assert submitted(instance, loudest[:chosen]).skill < 0.1


@pytest.mark.slow
@pytest.mark.parametrize("level", [2, 3])
def test_zeroing_one_by_one_is_misled_where_latents_act_together(level):
    instance = instance_of(level)
    assert scored(instance, material_of(instance).methods["zeroed alone"][0]).skill < 0.5


def test_impossible_answers_are_refused_in_one_sentence():
    instance = instance_of(1)
    most, count = LEVELS[1].chosen, LEVELS[1].n_latents
    with pytest.raises(AnswerError, match=f"at most {most} are asked for"):
        submitted(instance, [*range(count)])
    with pytest.raises(AnswerError, match=f"there is no latent {count}: latents are 0 to {count - 1}"):
        submitted(instance, [0, count])
    assert submitted(instance, [3] * (most + 1)).metrics == submitted(instance, [3]).metrics


def test_worse_answers_have_lower_scores():
    material = material_of(instance_of(1))
    skills = [scored(material.instance, one.content).skill for one in material.graded if one.path == "dropped"]
    half = skills[: len(skills) // 2]
    assert half == sorted(half, reverse=True)
    assert half[0] == pytest.approx(1.0, abs=1e-5)
    assert half[-1] < 0


@pytest.mark.slow
@every_level
def test_instances_pass_the_certificate(level):
    for seed in (21, 22):
        certificate = certify_sparse_model(Influential(level).model(seed), LEVELS[level], seed)
        assert [check for check in certificate.checks if not check.passed] == []


@pytest.mark.slow
def test_the_reference_solves_fresh_instances():
    instance = Influential(1).instance(77)
    assert instance.task.score(instance, reference_answer(suite_root(), instance)).skill >= 0.9
