"""variables/subspace: what an agent gets, what is right, and that short cuts and constants don't pay."""

from __future__ import annotations

import json
import random
import re
import time
from functools import cache, lru_cache

import pytest
import torch
from safetensors.torch import load

from ground_truth.variables.subspace import Subspace
from ground_truth.variables.subspaces.base import Base
from ground_truth.variables.subspaces.hidden import HIDDEN_PAIRS
from ground_truth.variables.subspaces.levels import CEILINGS, LABORATORY, LEVELS
from scribe_suite.errors import AnswerError
from scribe_suite.paths import suite_root
from scribe_suite.planting.frozen import frozen_folder, list_frozen, load_frozen
from scribe_suite.planting.hooked import build_model
from scribe_suite.planting.reference import reference_answer
from scribe_suite.planting.variables.certificate import probe_space, read_space, written_space
from scribe_suite.tasks.prompts import render_prompt
from scribe_suite.tasks.registry import default_registry
from scribe_suite.tasks.task import Score, TaskInstance
from studies.black_box import SOLVERS

TASKS = {level: Subspace(level) for level in LEVELS}
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


def submitted(instance: TaskInstance, **content) -> Score:
    answer = {"confidence": 0.5, "summary": "Some.", **content}
    return instance.task.score(instance, instance.answer_schema.parse(json.dumps(answer)))


def at_planted(instance: TaskInstance, directions: torch.Tensor) -> Score:
    place = instance.hidden.place
    where = {"layer": place.layer, "site": place.site, "position": place.position}
    return submitted(instance, **where, directions=directions.T.tolist())


# --- instances --------------------------------------------------------------------------------------------------------


def test_the_registry_finds_all_levels_and_the_first_runs_by_default():
    found = {facts.level: facts.is_default for facts in default_registry().facts.values() if facts.name == "subspace"}
    assert found == {level: level == 1 for level in LEVELS}
    assert set(Subspace.levels) == set(LEVELS)


@every_level
def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(level):
    first, again, other = (TASKS[level].instance_of(Base.of(stored(level)), seed) for seed in (5, 5, 6))
    assert first.public.files == again.public.files
    assert all(one.equal(two) for one, two in zip(first.hidden.pairs, again.hidden.pairs, strict=True))
    same = {name for name, content in first.public.files.items() if content == other.public.files[name]}
    assert same <= {"config.json"}


@every_level
def test_there_are_six_base_models_and_all_variables_are_asked_for(level):
    assert len(list_frozen(frozen_folder(TASKS[level]))) >= 6
    asked = {instance_of(level, seed).hidden.variable for seed in range(40)}
    assert asked == set(range(LEVELS[level].variables))


@every_level
def test_agents_get_what_the_variable_decides_and_no_word_of_where_it_is(level):
    instance = instance_of(level, 0)
    assert set(load(instance.public.files["data.safetensors"])) == {"prompts", "groups"}
    public = render_prompt(suite_root(), instance, LIMITS) + json.dumps(dict(instance.public.facts))
    public += instance.public.setup_code
    public = re.sub(r"\bmanual_seed\(seed\)|\bgenerate\(n, seed(=0)?\)", "", public)
    secrets = ["seed", "frozen", "planted", "decoy", "overlap", "orthogonal", "slot", "DAS", "isolated", "dormant"]
    assert [word for word in secrets if re.search(rf"(?<![a-z]){word}(?![a-z])", public, re.IGNORECASE)] == []


@every_level
def test_the_code_that_agents_get_makes_prompts_and_the_groups_are_right(level):
    instance = instance_of(level, 1)
    data, plan = load(instance.public.files["data.safetensors"]), instance.hidden.plan
    space: dict = {"torch": torch}
    exec(instance.public.data_code.partition("\n\n\n")[2], space)
    prompts = space["generate"](300, 3)
    labels = build_model(instance.hidden.weights)(prompts)[:, -1].argmax(-1)
    assert labels.equal(plan.expected(prompts))
    assert data["groups"][labels].equal(plan.variables(prompts)[:, instance.hidden.variable])
    known = set(map(tuple, data["prompts"].tolist()))
    base, source = instance.hidden.pairs
    assert len(base) == len(source) == HIDDEN_PAIRS
    assert not known & {*map(tuple, torch.cat([base, source]).tolist())}


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
def test_the_oracle_has_skill_one_whatever_the_signs_and_every_metric(level):
    instance = instance_of(level, 0)
    oracle = instance.task.oracle_answer(instance)
    score = instance.task.score(instance, instance.answer_schema.parse(json.dumps(oracle)))
    assert score.skill == 1.0
    assert tuple(score.metrics) == Subspace.metrics
    assert at_planted(instance, -instance.hidden.planted).metrics == score.metrics
    assert min(score.metrics.values()) >= 0.98


@every_level
def test_everything_nothing_and_another_variable_have_no_skill(level):
    instance = instance_of(level, 0)
    hidden = instance.hidden
    assert at_planted(instance, hidden.planted[:, :0]).skill == 0.0
    width = instance.public.facts["d_model"]
    everything = hidden.rates(hidden.place, torch.eye(width).tolist())
    assert (everything.interchange, everything.isolation, everything.score) == (1.0, 0.0, 0.0)
    assert (
        submitted(instance, **{key: instance.answer_schema.example[key] for key in ("layer", "directions")}).skill == 0
    )
    other = instance_of(level, 1)
    assert at_planted(instance, other.hidden.planted).skill <= BAR


@every_level
def test_random_and_fixed_answers_have_no_skill(level):
    skills = []
    for seed in range(6):
        instance = instance_of(level, seed)
        skills += [
            submitted(instance, **instance.task.random_answer(instance, random.Random(seed))).skill,
            at_planted(instance, torch.eye(instance.public.facts["d_model"])[:, :4]).skill,
        ]
    assert sum(skills) / len(skills) <= BAR


@every_level
def test_a_solver_that_sees_no_inside_has_no_skill(level):
    for name, solve in SOLVERS["variables"].items():
        skills = [solve(instance_of(level, seed)) for seed in range(4)]
        assert sum(skills) / len(skills) < 0.1, name


@every_level
def test_short_cuts_do_not_solve_it(level):
    instance = instance_of(level, 2)
    hidden, prompts = instance.hidden, load(instance.public.files["data.safetensors"])["prompts"]
    written = at_planted(instance, written_space(hidden.model, hidden.plan, prompts, hidden.variable))
    read = at_planted(instance, read_space(hidden.model, hidden.plan, hidden.variable))
    assert max(written.skill, read.skill) < Subspace.pass_mark
    # the first brings others along, the second moves what reads others
    assert written.metrics["interchange"] < 0.8
    assert read.metrics["isolation"] < 0.8


@pytest.mark.parametrize("level", LABORATORY)
def test_in_a_laboratory_a_probe_falls_short_and_skill_one_is_what_a_known_method_reaches(level):
    instance = instance_of(level, 2)
    hidden, prompts = instance.hidden, load(instance.public.files["data.safetensors"])["prompts"]
    probe = at_planted(instance, probe_space(hidden.model, hidden.plan, prompts, hidden.variable))
    assert probe.skill < Subspace.pass_mark
    assert probe.reference == min(CEILINGS.get(level, 1.0), hidden.reference.score)
    assert instance.task.access == "lab"


@every_level
def test_more_directions_than_are_allowed_are_refused(level):
    instance = instance_of(level, 0)
    width, most = instance.public.facts["d_model"], instance.public.facts["max_directions"]
    with pytest.raises(AnswerError, match=f"at most {most} are allowed"):
        submitted(instance, directions=torch.eye(width)[: most + 1].tolist())
    with pytest.raises(AnswerError, match="resid_mid, mlp_out, resid_post"):
        submitted(instance, site="hook_z", directions=torch.eye(width)[:1].tolist())


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
        {name: value for name, value in recorded.items() if name != TASKS[level].reference_check}, abs=0.01
    )


@pytest.mark.slow
@pytest.mark.parametrize("level", [level for level in TASKS if level not in LABORATORY])
def test_the_reference_solves_fresh_instances(level):
    instance = TASKS[level].instance(77)
    answer = reference_answer(suite_root(), instance)
    assert instance.task.score(instance, answer).skill >= 0.9
