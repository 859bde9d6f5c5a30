"""variables/algorithm: what an agent gets, what is right, and that what can be decoded is not what is used."""

from __future__ import annotations

import json
import random
import re
import time
from functools import cache, lru_cache

import pytest
import torch
from safetensors.torch import load

from ground_truth.variables.algorithm import Algorithm
from ground_truth.variables.algorithms.base import Base
from ground_truth.variables.algorithms.levels import LEVELS
from scribe_suite.errors import AnswerError
from scribe_suite.paths import suite_root
from scribe_suite.planting.frozen import frozen_folder, list_frozen, load_frozen
from scribe_suite.planting.hooked import build_model
from scribe_suite.planting.reference import reference_answer
from scribe_suite.tasks.prompts import render_prompt
from scribe_suite.tasks.registry import default_registry
from scribe_suite.tasks.task import Score, TaskInstance
from studies.black_box import solvers_of

TASKS = {level: Algorithm(level) for level in LEVELS}
LIMITS = {"agent_timeout_s": 900, "cell_timeout_s": 120, "max_turns": 30}
#: Skill of an answer that found nothing out, at most.
BAR = 0.05

every_level = pytest.mark.parametrize("level", TASKS)
every_model = pytest.mark.parametrize(
    ("level", "model_name"),
    [(level, path.stem) for level, task in TASKS.items() for path in list_frozen(frozen_folder(task))],
)


@pytest.fixture(autouse=True, scope="module")
def _one_thread():
    torch.set_num_threads(1)


@cache
def stored(level: int, model_name: str = "seed0"):
    return load_frozen(frozen_folder(TASKS[level]) / f"{model_name}.json", TASKS[level])


@lru_cache(maxsize=16)
def instance_of(level: int, seed: int, model_name: str = "seed0") -> TaskInstance:
    return TASKS[level].instance_of(Base.of(stored(level, model_name)), seed)


def submitted(instance: TaskInstance, carriers) -> Score:
    listed = [{"positions": list(of), "heads": list(heads)} for of, heads in carriers.items()]
    answer = {"carriers": listed, "confidence": 0.5, "summary": "Some."}
    return instance.task.score(instance, instance.answer_schema.parse(json.dumps(answer)))


# --- instances --------------------------------------------------------------------------------------------------------


def test_level_2_is_a_laboratory_and_the_first_runs_by_default():
    found = {facts.level: facts for facts in default_registry().facts.values() if facts.name == "algorithm"}
    assert {level: facts.is_default for level, facts in found.items()} == {1: True, 2: False}
    assert {level: facts.access for level, facts in found.items()} == {1: "weights", 2: "lab"}
    assert "outputs" not in Algorithm(2).accesses


@every_level
def test_the_same_seed_gives_the_same_bytes_and_another_seed_other_heads(level):
    first, again, other = (TASKS[level].instance_of(Base.of(stored(level)), seed) for seed in (5, 5, 6))
    assert first.public.files == again.public.files
    assert first.hidden.truth == again.hidden.truth
    assert first.hidden.truth.keys() == other.hidden.truth.keys()
    assert first.hidden.truth != other.hidden.truth


@every_level
def test_there_are_six_base_models_with_different_trees(level):
    models = [path.stem for path in list_frozen(frozen_folder(TASKS[level]))]
    assert len(models) >= 6
    assert len({str(stored(level, name).record.key["parts"]) for name in models}) == len(models)


@every_level
def test_agents_get_the_function_and_no_word_of_the_tree(level):
    instance = instance_of(level, 0)
    assert set(load(instance.public.files["data.safetensors"])) == {"prompts", "values", "labels"}
    public = render_prompt(suite_root(), instance, LIMITS) + json.dumps(dict(instance.public.facts))
    public += instance.public.setup_code
    public = re.sub(r"\bmanual_seed\(seed\)|\bgenerate\(n, seed(=0)?\)", "", public)
    secrets = ["seed", "frozen", "planted", "decoy", "tree", "majority", "carriers of", "used", "dormant"]
    assert [word for word in secrets if re.search(rf"(?<![a-z]){word}(?![a-z])", public, re.IGNORECASE)] == []


@every_level
def test_the_function_that_agents_get_is_what_the_model_says(level):
    instance = instance_of(level, 1)
    space: dict = {"torch": torch, "load_file": lambda name: load(instance.public.files[name])}
    exec(instance.public.data_code, space)
    prompts = space["generate"](300, 3)
    assert build_model(instance.hidden.weights)(prompts)[:, -1].argmax(-1).equal(space["function"](prompts))
    known = set(map(tuple, space["prompts"].tolist()))
    assert not known & {*map(tuple, torch.cat(instance.hidden.pairs).tolist())}


@pytest.mark.slow
@every_level
def test_an_instance_takes_a_tenth_of_a_second(level):
    base, took = Base.of(stored(level)), []
    for seed in range(5):
        began = time.process_time()
        TASKS[level].instance_of(base, seed)
        took.append(time.process_time() - began)
    assert min(took) < 0.1


# --- what pays --------------------------------------------------------------------------------------------------------


@every_level
def test_the_oracle_has_skill_one_and_every_metric(level):
    instance = instance_of(level, 0)
    oracle = instance.task.oracle_answer(instance)
    score = instance.task.score(instance, instance.answer_schema.parse(json.dumps(oracle)))
    assert score.skill == 1.0
    assert tuple(score.metrics) == Algorithm.metrics
    assert set(score.metrics.values()) == {1.0}


@every_level
def test_nothing_everything_and_what_is_computed_without_an_effect_have_no_skill(level):
    instance = instance_of(level, 0)
    plan, facts = instance.hidden.plan, instance.public.facts
    assert submitted(instance, {}).skill <= 0.0
    everything = {plan.positions(of): facts["heads"] for of in plan.parts if of != plan.total}
    assert submitted(instance, everything).skill <= BAR
    unused = {plan.positions(of): plan.heads(of) for of in plan.parts if of not in (*plan.used, plan.total)}
    score = submitted(instance, unused)
    assert score.skill <= 0.0
    assert score.metrics["exchange"] == 0.0
    computed = {plan.positions(of): plan.heads(of) for of in plan.parts if of != plan.total}
    assert submitted(instance, computed).skill < Algorithm.pass_mark


@every_level
def test_the_answer_to_another_instance_and_random_ones_have_no_skill(level):
    skills = []
    for seed in range(12):
        instance, other = (
            instance_of(level, seed, f"seed{seed % 6}"),
            instance_of(level, seed + 1, f"seed{(seed + 1) % 6}"),
        )
        place = dict(zip(other.public.facts["positions"], instance.public.facts["positions"], strict=True))
        skills.append(
            submitted(instance, {tuple(place[p] for p in of): h for of, h in other.hidden.truth.items()}).skill
        )
        drawn = instance.task.random_answer(instance, random.Random(seed))
        skills.append(instance.task.score(instance, instance.answer_schema.parse(json.dumps(drawn))).skill)
    assert sum(skills) / len(skills) <= BAR


@every_level
def test_a_solver_that_sees_no_inside_has_no_skill(level):
    instances = [instance_of(level, seed, f"seed{seed}") for seed in range(6)]
    for name in solvers_of(TASKS[level], instances[0]):
        skills = [solvers_of(TASKS[level], one)[name](one) for one in instances]
        assert sum(skills) / len(skills) <= BAR, name


def test_an_answer_says_what_is_wrong_with_it():
    instance = instance_of(1, 0)
    inside = instance.public.facts["positions"]
    outside = next(position for position in range(10) if position not in inside)
    for of, message in {
        (inside[0], outside): f"position {outside} is not added",
        tuple(inside): "2 to 3 different positions, not 4",
        (inside[0], inside[0]): "2 to 3 different positions, not 1",
    }.items():
        with pytest.raises(AnswerError, match=message):
            submitted(instance, {of: ["a1.h0"]})
    with pytest.raises(AnswerError, match="no head 'm1'"):
        submitted(instance, {tuple(inside[:2]): ["m1"]})


def test_a_sum_that_is_listed_twice_has_the_heads_of_both():
    instance = instance_of(2, 0)
    (of, heads), *others = instance.hidden.truth.items()
    listed = [{"positions": list(reversed(of)), "heads": [head]} for head in heads]
    listed += [{"positions": list(one), "heads": list(some)} for one, some in others]
    answer = {"carriers": listed, "confidence": 0.5, "summary": "Some."}
    assert instance.task.score(instance, instance.answer_schema.parse(json.dumps(answer))).skill == 1.0


# --- base models ------------------------------------------------------------------------------------------------------


@every_model
def test_a_base_model_is_certified(level, model_name):
    certificate = stored(level, model_name).record.certificate
    assert certificate.passed
    if level not in Algorithm.laboratory:
        assert certificate.value(TASKS[level].reference_check) >= 0.9


@pytest.mark.exhaustive
@every_model
def test_a_certificate_can_be_measured_again(level, model_name):
    model = stored(level, model_name)
    again = TASKS[level].certify(Base.of(model), model.record.seed)
    recorded = {check.name: check.value for check in model.record.certificate.checks}
    recorded.pop(TASKS[level].reference_check, None)
    assert {check.name: check.value for check in again.checks} == pytest.approx(recorded, abs=0.01)


@pytest.mark.slow
def test_the_reference_solves_a_fresh_instance():
    instance = TASKS[1].instance(77)
    assert instance.task.score(instance, reference_answer(suite_root(), instance)).skill >= 0.9
