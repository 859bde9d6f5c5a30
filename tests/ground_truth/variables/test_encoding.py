"""variables/encoding: what an agent gets, what is right, and that short cuts and constants don't pay."""

from __future__ import annotations

import json
import random
import re
import time
from functools import cache, lru_cache

import pytest
import torch
from safetensors.torch import load

from ground_truth.variables.encoding import Encoding
from ground_truth.variables.encodings.base import Base
from ground_truth.variables.encodings.hidden import HIDDEN_PAIRS
from ground_truth.variables.encodings.levels import LABORATORY, LEVELS
from scribe_suite.errors import AnswerError
from scribe_suite.paths import suite_root
from scribe_suite.planting.frozen import frozen_folder, list_frozen, load_frozen
from scribe_suite.planting.hooked import build_model
from scribe_suite.planting.reference import reference_answer
from scribe_suite.planting.variables.encoded.codes import CODES
from scribe_suite.planting.variables.encoded.measuring import planted_rates
from scribe_suite.tasks.prompts import render_prompt
from scribe_suite.tasks.registry import default_registry
from scribe_suite.tasks.task import Score, TaskInstance
from studies.black_box import ENCODING_SOLVERS
from studies.graded.makers import material_of, scored

TASKS = {level: Encoding(level) for level in LEVELS}
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


def submitted(instance: TaskInstance, code: str) -> Score:
    return scored(instance, {"code": code})


# --- instances --------------------------------------------------------------------------------------------------------


def test_the_registry_finds_all_levels_and_the_first_runs_by_default():
    found = {facts.level: facts.is_default for facts in default_registry().facts.values() if facts.name == "encoding"}
    assert found == {level: level == 1 for level in LEVELS}
    assert set(Encoding.levels) == set(LEVELS)
    assert {level for level, task in TASKS.items() if task.access == "lab"} == set(LABORATORY)


@every_level
def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(level):
    first, again, other = (TASKS[level].instance_of(Base.of(stored(level)), seed) for seed in (5, 5, 6))
    assert first.public.files == again.public.files
    assert first.hidden.points.equal(again.hidden.points)
    same = {name for name, content in first.public.files.items() if content == other.public.files[name]}
    assert same <= {"config.json"}


@every_level
def test_every_code_has_a_base_model(level):
    models = [stored(level, path.stem) for path in list_frozen(frozen_folder(TASKS[level]))]
    assert len(models) >= 6
    assert {Base.of(model).plan.code_name for model in models} == set(CODES)


@every_level
def test_agents_get_what_labels_say_and_no_word_of_the_code(level):
    instance = instance_of(level, 0)
    assert set(load(instance.public.files["data.safetensors"])) == {"prompts", "groups", "others"}
    public = render_prompt(suite_root(), instance, LIMITS) + json.dumps(dict(instance.public.facts))
    public += instance.public.setup_code
    public = re.sub(r"\bmanual_seed\(seed\)|\bgenerate\(n, seed(=0)?\)", "", public)
    secrets = ["seed", "frozen", "planted", "phase", "circle", "ring", "exclusive", "sign", "norm", "slot", "state"]
    assert [word for word in secrets if re.search(rf"(?<![a-z_]){word}(?![a-z_])", public, re.IGNORECASE)] == []


@every_level
def test_groups_and_others_say_what_labels_stand_for(level):
    instance = instance_of(level, 1)
    data, plan = load(instance.public.files["data.safetensors"]), instance.hidden.plan.plan
    space: dict = {"torch": torch}
    exec(instance.public.data_code.partition("\n\n\n")[2], space)
    prompts = space["generate"](200, 3)
    labels = build_model(instance.hidden.weights)(prompts)[:, -1].argmax(-1)
    assert data["groups"][labels].equal(plan.variables(prompts)[:, 0])
    rests = plan.variables(prompts)[:, 1:]
    numbers = data["others"][labels]
    for number in numbers.unique():
        assert len(rests[numbers == number].unique(dim=0)) == 1
    assert len(data["others"].unique()) == plan.n_labels // plan.values


@every_level
def test_the_hidden_code_is_that_of_the_instance(level):
    hidden = instance_of(level, 0).hidden
    assert planted_rates(hidden.coded, hidden.trial).score >= 0.97
    assert len(hidden.trial.read) == len(hidden.trial.before) == HIDDEN_PAIRS


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


@pytest.mark.slow
@every_level
def test_the_oracle_has_skill_one_and_every_metric(level):
    instance = instance_of(level, 0)
    score = scored(instance, {"code": instance.task.oracle_answer(instance)["code"]})
    assert score.skill >= 0.99
    assert tuple(score.metrics) == Encoding.metrics
    assert score.flags == ()


@pytest.mark.slow
@every_level
def test_nothing_one_value_random_and_linear_answers_have_no_skill(level):
    instance = instance_of(level, 0)
    assert submitted(instance, "").skill == 0.0
    assert submitted(instance, instance.task.random_answer(instance, random.Random(0))["code"]).skill <= 0.05
    linear = material_of(instance).methods["differences of means"]
    assert scored(instance, linear[0]).skill <= 0.05
    for name, solve in ENCODING_SOLVERS.items():
        assert solve(instance) <= 0.05, name


@pytest.mark.slow
def test_writes_with_the_wrong_sign_or_the_wrong_value_have_no_skill():
    instance = instance_of(2, 0)
    code = instance.task.oracle_answer(instance)["code"]
    for wrong in (
        "\n_right = write\n\n\ndef write(activation, value):\n    return 2 * activation - _right(activation, value)\n",
        "\n_right = write\n\n\ndef write(activation, value):\n    return _right(activation, (value + 1) % 3)\n",
    ):
        score = submitted(instance, code + wrong)
        assert score.metrics["decoding"] == 1.0
        assert score.skill == 0.0


def test_code_without_both_functions_is_refused():
    with pytest.raises(AnswerError, match="must define a function 'write'"):
        submitted(instance_of(1, 0), "def read(activation):\n    return 0\n")


# --- base models ------------------------------------------------------------------------------------------------------


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
