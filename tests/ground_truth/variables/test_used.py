"""variables/used: what an agent gets, what is right, and that constants and what can be decoded don't pay."""

from __future__ import annotations

import json
import re
import time
from functools import cache, lru_cache
from statistics import fmean

import pytest
import torch
from safetensors.torch import load

from ground_truth.variables.used import Used
from ground_truth.variables.uses.base import Base
from ground_truth.variables.uses.levels import LABORATORY, LEVELS
from scribe_suite.errors import AnswerError
from scribe_suite.paths import suite_root
from scribe_suite.planting.frozen import frozen_folder, list_frozen, load_frozen
from scribe_suite.planting.hooked import build_model
from scribe_suite.planting.reference import reference_answer
from scribe_suite.tasks.prompts import render_prompt
from scribe_suite.tasks.registry import default_registry
from scribe_suite.tasks.task import TaskInstance
from studies.black_box import USED_SOLVERS
from studies.graded.makers import material_of, scored

TASKS = {level: Used(level) for level in LEVELS}
LIMITS = {"agent_timeout_s": 900, "cell_timeout_s": 120, "max_turns": 30}

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


def test_the_registry_finds_all_levels_and_the_first_runs_by_default():
    found = {facts.level: facts.is_default for facts in default_registry().facts.values() if facts.name == "used"}
    assert found == {level: level == 1 for level in LEVELS}
    assert {level for level, task in TASKS.items() if task.access == "lab"} == set(LABORATORY)


@every_level
def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(level):
    first, again, other = (TASKS[level].instance_of(Base.of(stored(level)), seed) for seed in (5, 5, 6))
    assert first.public.files == again.public.files
    assert first.hidden.names == again.hidden.names
    same = {name for name, content in first.public.files.items() if content == other.public.files[name]}
    assert same <= {"config.json"}


@every_level
def test_none_one_or_two_properties_are_used_in_equally_many_base_models(level):
    models = [stored(level, path.stem) for path in list_frozen(frozen_folder(TASKS[level]))]
    assert len(models) >= 6
    counts = [len(Base.of(model).plan.used) for model in models]
    assert [counts.count(number) for number in range(3)] == [len(models) / 3] * 3


@every_level
def test_agents_get_properties_of_labels_and_no_word_of_what_is_used(level):
    instance = instance_of(level, 0)
    assert set(load(instance.public.files["data.safetensors"])) == {"prompts", "of_label"}
    public = render_prompt(suite_root(), instance, LIMITS) + json.dumps(dict(instance.public.facts))
    public += instance.public.setup_code
    public = re.sub(r"\bmanual_seed\(seed\)|\bgenerate\(n, seed(=0)?\)", "", public)
    secrets = ["seed", "frozen", "planted", "dormant", "illusion", "copies", "slot", "DAS", "skew", "regression"]
    assert [word for word in secrets if re.search(rf"(?<![a-z]){word}(?![a-z])", public, re.IGNORECASE)] == []


@every_level
def test_the_columns_of_labels_have_the_names_that_are_asked_about(level):
    instance = instance_of(level, 1)
    hidden, facts = instance.hidden, instance.public.facts
    space: dict = {"torch": torch}
    exec(instance.public.data_code.partition("\n\n\n")[2], space)
    prompts = space["generate"](100, 3)
    labels = build_model(hidden.weights)(prompts)[:, -1].argmax(-1)
    of_label = load(instance.public.files["data.safetensors"])["of_label"]
    for column, name in enumerate(facts["properties"]):
        number = list(hidden.names).index(name)
        assert of_label[labels, column].equal(hidden.plan.plan.variables(prompts)[:, number])


@pytest.mark.slow
@every_model
def test_the_truth_is_measured_and_is_what_was_planted(level, model_name):
    instance = instance_of(level, 3, model_name)
    planted = instance.task.oracle_answer(instance)["used"]
    assert instance.hidden.truth == {name: bool(value) for name, value in planted.items()}
    assert all(effect.moved >= 0.97 or effect.moved <= 0.03 for effect in instance.hidden.effects.values())
    assert scored(instance, {"used": planted}).skill == 1.0


@every_level
def test_constants_and_what_can_be_decoded_have_no_skill(level):
    names = [path.stem for path in list_frozen(frozen_folder(TASKS[level]))]
    instances = [instance_of(level, seed, name) for seed, name in enumerate(names)]
    for name, solve in USED_SOLVERS.items():
        assert fmean(solve(instance) for instance in instances) <= 0.001, name
    decoded = [scored(one, material_of(one).methods["what can be decoded is used"][0]).skill for one in instances]
    assert fmean(decoded) < -0.5
    assert fmean(scored(one, {"used": {}}).skill for one in instances) < 0


def test_an_answer_that_leaves_a_property_out_is_refused():
    instance = instance_of(1, 0)
    with pytest.raises(AnswerError, match="give a probability for every property"):
        scored(instance, {"used": {"p0": 1.0}})


@pytest.mark.slow
@every_level
def test_an_instance_takes_a_tenth_of_a_second(level):
    base, took = Base.of(stored(level)), []
    for seed in range(5):
        began = time.process_time()
        TASKS[level].instance_of(base, seed)
        took.append(time.process_time() - began)
    assert min(took) < 0.1


@every_model
def test_a_base_model_is_certified_and_the_reference_solves_it(level, model_name):
    certificate = stored(level, model_name).record.certificate
    assert certificate.passed
    if level not in LABORATORY:
        assert certificate.value(TASKS[level].reference_check) >= 0.9


@pytest.mark.exhaustive
@every_model
def test_a_certificate_can_be_measured_again(level, model_name):
    model = stored(level, model_name)
    again = TASKS[level].certify(Base.of(model), model.record.seed)
    recorded = {check.name: check.value for check in model.record.certificate.checks}
    assert {check.name: check.value for check in again.checks} == pytest.approx(
        {name: value for name, value in recorded.items() if name != TASKS[level].reference_check}, abs=0.02
    )


@pytest.mark.slow
@pytest.mark.parametrize("level", [level for level in TASKS if level not in LABORATORY])
def test_the_reference_solves_fresh_instances(level):
    instance = TASKS[level].instance(77)
    answer = reference_answer(suite_root(), instance)
    assert instance.task.score(instance, answer).skill >= 0.9
