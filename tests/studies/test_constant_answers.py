"""No task pays an answer that is the same whatever the instance.

All of it takes minutes to hours and is done by `studies.constant_answers`; here its record is checked, and a part of it
is done again.
"""

from __future__ import annotations

import json
from statistics import fmean
from types import SimpleNamespace

import numpy as np
import pytest

from scribe_suite.measurements.measured_task import MeasuredTask
from scribe_suite.paths import suite_root
from scribe_suite.planting.statements.training import TRUTH_LAYER
from scribe_suite.tasks.registry import default_registry
from scribe_suite.tasks.task import Task
from scribe_suite.text import with_table
from studies.constant_answers import places
from studies.constant_answers.hindsight import Hindsight
from studies.constant_answers.light import has_light_instances, light_instance
from studies.constant_answers.places import constant_probes, place_skills
from studies.constant_answers.policies import answer_of, constants, content_of, elements, made_of
from studies.constant_answers.record import (
    BAR,
    DOCUMENT,
    MARKERS,
    Survey,
    as_table,
    read_record,
    write_record,
)
from studies.constant_answers.survey import FIRST_SEED, is_remembered, survey

TASKS = default_registry()
PLANTED = [facts.id for facts in TASKS.questions() if facts.source == "planted"]
#: Their constants need the key alone, so that all instances of the study take seconds.
LIGHT = [name for name in PLANTED if has_light_instances(TASKS[name])]
REAL = [facts.id for facts in TASKS.questions() if facts.source == "real"]


def available(task_id: str) -> Task:
    task = TASKS[task_id]
    reason = task.unavailable()
    if reason is not None:
        pytest.skip(reason)
    return task


class TestRecord:
    def test_every_task_was_surveyed_at_its_present_version(self) -> None:
        surveyed = {task_id: found.version for task_id, found in read_record().items()}
        assert surveyed == {task_id: TASKS.facts[task_id].version for task_id in surveyed}
        assert {facts.id for facts in TASKS.questions()} <= surveyed.keys()

    def test_no_constant_answer_pays(self) -> None:
        best = {task_id: survey.best for task_id, survey in read_record().items()}
        assert {task_id: found for task_id, found in best.items() if found[1] > BAR} == {}

    def test_every_task_was_given_nothing_and_its_example(self) -> None:
        assert all({"nothing", "example"} <= set(survey.skills) for survey in read_record().values())

    def test_the_document_has_what_was_recorded(self) -> None:
        text = (suite_root() / DOCUMENT).read_text()
        assert with_table(text, MARKERS, as_table(read_record())) == text


@pytest.mark.slow
@pytest.mark.parametrize("task_id", LIGHT)
def test_no_constant_pays_over_two_hundred_instances(task_id) -> None:
    which, best = survey(TASKS[task_id], 200).best
    assert best <= BAR, which


@pytest.mark.slow
def test_no_constant_pays_where_a_function_is_asked_for() -> None:
    skills = survey(TASKS["circuits/unknown_behaviour"], 3).skills
    assert {"nothing", "everything", "example", "fixed", "previous"} <= set(skills)
    assert max(skills.values()) <= BAR


@pytest.mark.exhaustive  # a vector is a random direction in every instance, so few of them say nothing
@pytest.mark.parametrize("task_id", ["probes/greater_than", "probes/greater_than_pca", "probes/cities"])
def test_no_constant_vector_pays_anywhere_in_a_model(task_id) -> None:
    skills = survey(TASKS[task_id], 40).skills
    assert {name: value for name, value in skills.items() if value > 2 * BAR} == {}


@pytest.mark.real_models
@pytest.mark.parametrize("task_id", [name for name in REAL if name.startswith("neurons/")])
def test_no_constant_names_neurons_of_a_real_model(task_id) -> None:
    # sixty instances, of which the best constant is chosen; code is run for each, and a dozen neurons are asked about
    which, best = survey(available(task_id), 6 if "explain" in task_id else 60).best
    assert best <= 2 * BAR, which


@pytest.mark.real_models
@pytest.mark.parametrize("task_id", [name for name in REAL if name.startswith("probes/")])
def test_finding_nothing_always_does_not_pay_on_a_real_model(task_id) -> None:
    task = available(task_id)
    skills = []
    for seed in range(FIRST_SEED, FIRST_SEED + 60):
        instance = task.instance(seed)
        answer = answer_of(instance, constants(instance)["nothing"])
        assert answer is not None
        skills.append(task.score(instance, answer).skill)
    assert fmean(skills) <= 2 * BAR


@pytest.mark.slow
@pytest.mark.parametrize("task_id", ["circuits/suppressor", "neurons/alphabet", "neurons/unigram"])
def test_a_light_instance_has_the_key_and_the_skills_of_the_whole_one(task_id) -> None:
    task = TASKS[task_id]
    whole, light = task.instance(FIRST_SEED + 1), light_instance(task.instance(FIRST_SEED), FIRST_SEED + 1)
    assert (light.seed, light.base_model) == (whole.seed, whole.base_model)
    oracle = task.oracle_answer(whole)
    assert task.oracle_answer(light) == oracle
    for content in (content_of(oracle, whole), *constants(whole).values()):
        given, again = answer_of(whole, content), answer_of(light, content)
        assert given is not None
        assert task.score(light, again).skill == task.score(whole, given).skill


@pytest.mark.slow
@pytest.mark.parametrize("name", ["greater_than", "greater_than_pca"])
def test_skills_at_places_are_those_that_the_task_gives(name, monkeypatch) -> None:
    instance = TASKS[f"probes/{name}"].instance(FIRST_SEED)
    # not a vector of ones: symmetries leave nothing in that direction, so its projections are rounding errors
    drawn = np.random.default_rng(1).normal(size=(1, instance.answer_schema.facts["d_model"]))
    monkeypatch.setattr(places, "_vectors", lambda _: {"one": drawn})
    found = place_skills(instance)
    field = instance.answer_schema.model.content_field
    vector = {field: drawn[0].tolist()} | ({"center": [], "bias": 0.0} if field == "weight" else {})
    for layer, position in ((TRUTH_LAYER, -1), (1, -4)):
        answer = answer_of(instance, {**vector, "layer": layer, "position": position})
        expected = instance.task.score(instance, answer).skill
        assert found[f"one at layer {layer}, position {position}"] == pytest.approx(expected)
    zeros = [answer_of(instance, content) for content in constant_probes(instance).values()]
    assert all(instance.task.score(instance, answer).skill <= 0 for answer in zeros)


@pytest.mark.parametrize("task_id", ["circuits/suppressor", "circuits/mlp_only"])
def test_constants_are_answers_of_the_tasks_kind(task_id) -> None:
    instance = TASKS[task_id].instance(FIRST_SEED)
    tried = constants(instance)
    assert {"nothing", "example", "everything", "first 1", "heads", "MLPs"} <= set(tried)
    assert all(answer_of(instance, content) is not None for content in tried.values())
    assert answer_of(instance, tried["nothing"]).is_empty()
    assert answer_of(instance, made_of(instance, ["a99.h1"])) is None  # what can't be submitted is no constant
    assert elements(instance) == instance.public.facts["components"]


def test_what_is_best_in_hindsight_can_be_submitted() -> None:
    task = TASKS["circuits/suppressor"]
    instance, hindsight = task.instance(FIRST_SEED), Hindsight(task)
    for roles in ({"a0.h0": "supports", "m1": "supports"}, {"a0.h0": "suppresses"}, {"a0.h0": "supports"}):
        hindsight.see(instance, {"roles": roles})
    (content,) = hindsight.candidates(instance).values()
    assert content == {"roles": {"a0.h0": "supports"}}  # one role for a node, whatever each would bring
    assert answer_of(instance, content) is not None


def test_neurons_in_hindsight_are_as_many_as_are_asked_for() -> None:
    task = SimpleNamespace(source="real", metrics=("rve_share",), neuron=lambda column: f"L0.N{column}")
    statistics = np.eye(8)[:3] + 0.5 * np.eye(8)[5]
    hindsight = Hindsight(task)
    for name, statistic in zip("abc", statistics, strict=True):
        asked = SimpleNamespace(name=name, statistic=statistic, reference=1.0, untrained=0.0)
        hindsight.see(SimpleNamespace(hidden=SimpleNamespace(asked=(asked,))), {})
    schema = SimpleNamespace(facts={"max_neurons": 1}, model=SimpleNamespace(content_field="neurons"))
    found = hindsight.candidates(SimpleNamespace(task=task, answer_schema=schema))
    assert found["fixed"] == {"neurons": ["L0.N5"]}
    assert found["fixed, best for b"] == {"neurons": ["L0.N1"]}


def test_only_circuits_probes_and_subspaces_of_a_real_model_can_be_remembered() -> None:
    remembered = [facts.id for facts in TASKS.questions() if is_remembered(TASKS[facts.id])]
    assert remembered == [name for name in REAL if name.startswith(("circuits/", "probes/", "variables/"))]
    assert all(isinstance(TASKS[name], MeasuredTask) for name in remembered)


def test_writing_some_tasks_keeps_the_others(tmp_path) -> None:
    for folder in ("studies/constant_answers", "docs/reference"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / DOCUMENT).write_text("\n".join(("before", *MARKERS, "after\n")))
    one = Survey(version=2, instances=3, skills={"nothing": 0.0, "first 1": 0.04})
    write_record({"family/b": one}, tmp_path)
    write_record({"family/a": one.model_copy(update={"version": 7})}, tmp_path)
    assert {name: kept.version for name, kept in read_record(tmp_path).items()} == {"family/a": 7, "family/b": 2}
    text = (tmp_path / DOCUMENT).read_text()
    assert "| `family/b` | 2 | 3 | 0.00 | - | - | - | 0.04 | first 1 |" in text
    assert text.startswith("before")
    assert text.endswith("after\n")
    assert json.loads((tmp_path / "studies/constant_answers/record.json").read_text())["family/b"]["instances"] == 3
