"""steering/shift: what an agent gets, what is right, and that constants and short cuts don't pay."""

from __future__ import annotations

import json
import random
import re
import time
from functools import cache, lru_cache
from statistics import fmean

import pytest
import torch
from safetensors.torch import load

from ground_truth.steering.shift import Shift
from ground_truth.steering.shifts.base import Base
from ground_truth.steering.shifts.levels import LABORATORY, LEVELS
from scribe_suite.errors import AnswerError
from scribe_suite.paths import suite_root
from scribe_suite.planting.frozen import frozen_folder, list_frozen, load_frozen
from scribe_suite.planting.hooked import build_model
from scribe_suite.planting.reference import reference_answer
from scribe_suite.plugin.worker.laboratories import Laboratories
from scribe_suite.sandbox.probing import probe_isolation
from scribe_suite.scoring.real_probes import MISSED, OVERCLAIM
from scribe_suite.tasks.prompts import render_prompt
from scribe_suite.tasks.registry import default_registry
from scribe_suite.tasks.task import TaskInstance
from studies.black_box import SOLVERS
from studies.graded.makers import material_of, scored

TASKS = {level: Shift(level) for level in LEVELS}
LIMITS = {"agent_timeout_s": 900, "cell_timeout_s": 120, "max_turns": 30}
#: A base model in which the gate is read, and one in which it is not.
READ, NULL = "seed0", "seed2"

every_level = pytest.mark.parametrize("level", TASKS)
every_model = pytest.mark.parametrize(
    ("level", "model_name"),
    [(level, path.stem) for level, task in TASKS.items() for path in list_frozen(frozen_folder(task))],
)


@pytest.fixture(autouse=True, scope="module")
def _one_thread():
    torch.set_num_threads(1)


@cache
def stored(level: int, model_name: str = READ):
    return load_frozen(frozen_folder(TASKS[level]) / f"{model_name}.json", TASKS[level])


@lru_cache(maxsize=32)
def instance_of(level: int, seed: int = 0, model_name: str = READ) -> TaskInstance:
    return TASKS[level].instance_of(Base.of(stored(level, model_name)), seed)


def vector(instance: TaskInstance, direction: torch.Tensor, layer: int = 1) -> dict:
    return {"layer": layer, "vector": direction.tolist(), "nothing_found": False}


def nothing() -> dict:
    return {"layer": 1, "vector": [], "nothing_found": True}


def test_the_registry_finds_all_levels_and_the_first_runs_by_default():
    found = {facts.level: facts.is_default for facts in default_registry().facts.values() if facts.name == "shift"}
    assert found == {level: level == 1 for level in LEVELS}
    assert {level for level, task in TASKS.items() if task.access == "lab"} == set(LABORATORY)


@every_level
def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(level):
    first, again, other = (TASKS[level].instance_of(Base.of(stored(level)), seed) for seed in (5, 5, 6))
    assert first.public.files == again.public.files
    assert first.hidden.direction.equal(again.hidden.direction)
    same = {name for name, content in first.public.files.items() if content == other.public.files[name]}
    assert same <= {"config.json"}


@every_level
def test_a_third_of_base_models_has_nothing_to_find(level):
    models = [stored(level, path.stem) for path in list_frozen(frozen_folder(TASKS[level]))]
    assert len(models) >= 6
    assert sum(not Base.of(model).plan.read for model in models) == len(models) / 3


@every_level
def test_agents_get_pairs_and_no_word_of_what_is_kept_or_read(level):
    instance = instance_of(level)
    assert set(load(instance.public.files["data.safetensors"])) == {"on", "off", "neutral", "partner"}
    public = render_prompt(suite_root(), instance, LIMITS) + str(instance.public.facts)
    public += instance.public.setup_code
    public = re.sub(r"\bmanual_seed\(seed\)|\bgenerate\(n, seed(=0)?\)", "", public)
    secrets = ["seed", "frozen", "planted", "dormant", "gate", "condition", "slot", "confound", "loud", "regression"]
    assert [word for word in secrets if re.search(rf"(?<![a-z]){word}(?![a-z])", public, re.IGNORECASE)] == []


@every_level
@pytest.mark.parametrize("model_name", [READ, NULL])
def test_public_prompts_are_of_their_kinds(level, model_name):
    instance = instance_of(level, 1, model_name)
    data = load(instance.public.files["data.safetensors"])
    model, partner = build_model(instance.hidden.weights), data["partner"]
    labels = {kind: model(data[kind])[:, -1].argmax(-1) for kind in ("on", "off", "neutral")}
    assert (partner[labels["off"]] >= 0).all()
    assert torch.isin(labels["on"], partner[partner >= 0]).all()
    assert len(labels["neutral"].unique()) == 8
    assert len(data["on"]) == len(data["off"]) == instance.public.facts["n_pairs"]


@every_level
def test_prompts_say_the_same_whether_or_not_there_is_something_to_find(level):
    """But for the example prompts, which are drawn."""
    texts = [
        re.sub(
            r"```text\n.*?```", "", render_prompt(suite_root(), instance_of(level, 3, name), LIMITS), flags=re.DOTALL
        )
        for name in (READ, NULL)
    ]
    assert texts[0] == texts[1]


@every_level
def test_what_was_planted_is_right_and_its_opposite_random_or_late_vectors_are_not(level):
    instance = instance_of(level)
    right = instance.hidden.direction
    assert scored(instance, vector(instance, right)).skill == 1.0
    assert scored(instance, vector(instance, 1e30 * right)).skill == pytest.approx(1.0, abs=1e-6)
    assert scored(instance, vector(instance, -right)).skill <= 0.01
    assert scored(instance, vector(instance, right, layer=2)).skill <= 0.01
    assert scored(instance, vector(instance, torch.zeros(len(right)))).skill == 0.0
    assert scored(instance, vector(instance, torch.ones(len(right)))).skill <= 0.3
    generator = torch.Generator().manual_seed(0)
    drawn = [torch.randn(len(right), generator=generator) for _ in range(32)]
    assert fmean(scored(instance, vector(instance, one)).skill for one in drawn) <= 0.15
    missed = scored(instance, nothing())
    assert (missed.skill, missed.flags) == (-0.5, (MISSED,))


@every_level
def test_nothing_is_right_where_the_gate_is_not_read(level):
    instance = instance_of(level, 0, NULL)
    assert scored(instance, nothing()).skill == 1.0
    wrong = scored(instance, vector(instance, instance.hidden.direction))
    assert (wrong.skill, wrong.flags) == (-1.0, (OVERCLAIM,))
    assert instance.hidden.reference.effect < 0.05


@every_level
@pytest.mark.parametrize("model_name", [READ, NULL])
def test_the_oracle_is_right_and_random_answers_are_valid(level, model_name):
    instance = instance_of(level, 2, model_name)
    said = json.dumps(instance.task.oracle_answer(instance))
    assert instance.task.score(instance, instance.answer_schema.parse(said)).skill == 1.0
    for number in range(5):
        drawn = instance.task.random_answer(instance, random.Random(number))
        assert instance.task.score(instance, instance.answer_schema.parse(json.dumps(drawn))).skill <= 1.0


def test_the_difference_of_means_solves_level_1_only():
    material = material_of(instance_of(2))
    assert scored(material.instance, material.methods["difference of means"][0]).skill < 0.5
    assert "difference of means" not in material_of(instance_of(1)).methods


def test_answers_are_the_worse_the_further_they_are_turned():
    material = material_of(instance_of(1))
    skills = [round(scored(material.instance, one.content).skill, 3) for one in material.graded]
    assert skills[0] == 1.0
    assert skills == sorted(skills, reverse=True)
    assert skills[-1] <= 0.05


@every_level
def test_constants_have_no_skill(level):
    names = [path.stem for path in list_frozen(frozen_folder(TASKS[level]))]
    instances = [instance_of(level, seed, name) for seed, name in enumerate(names)]
    means = {name: fmean(solve(one) for one in instances) for name, solve in SOLVERS["steering"].items()}
    assert means["nothing found"] == pytest.approx(0.0)
    assert means["first axis"] < 0


def test_layers_and_widths_that_do_not_exist_are_refused():
    instance = instance_of(1)
    with pytest.raises(AnswerError, match="must be one of 1, 2"):
        scored(instance, vector(instance, instance.hidden.direction, layer=0))
    with pytest.raises(AnswerError, match="80"):
        scored(instance, vector(instance, torch.ones(3)))


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
    again = TASKS[min(level, 2)].certify(Base.of(model), model.record.seed)
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


@pytest.mark.slow
@pytest.mark.parametrize("model_name", [READ, NULL])
def test_the_reference_solves_the_laboratory_within_its_budget(model_name, tmp_path):
    instance = instance_of(3, 77, model_name)
    laboratories = Laboratories(probe_isolation("none"), ())
    outputs = tmp_path / "attempt" / "outputs"
    outputs.mkdir(parents=True)
    try:
        with laboratories.desk(instance, outputs) as desk:
            answer = reference_answer(suite_root(), instance, desk=desk)
            assert desk.status().refused == 0
    finally:
        laboratories.close()
    assert instance.task.score(instance, answer).skill >= 0.9
