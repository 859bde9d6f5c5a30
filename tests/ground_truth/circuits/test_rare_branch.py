"""circuits/rare_branch: what an agent gets, what is right, and that nothing but the exception pays."""

from __future__ import annotations

import dataclasses
import json
import random
import re
import time
from functools import cache, lru_cache

import pytest
import torch
from safetensors.torch import load

from ground_truth.circuits import rare_branch
from ground_truth.circuits.rare_branch import REFERENCE_CHECK, RareBranch
from ground_truth.circuits.rare_branches.base import Base
from ground_truth.circuits.rare_branches.hidden import OTHER_KINDS, Hidden
from ground_truth.circuits.rare_branches.levels import LEVELS, is_twin
from scribe_suite.errors import AnswerError, InfrastructureError
from scribe_suite.paths import suite_root
from scribe_suite.planting.circuits.branches.conditions import Condition, source_of
from scribe_suite.planting.circuits.branches.plans import N_CTX, draw_prompts
from scribe_suite.planting.frozen import frozen_folder, frozen_models, list_frozen, load_frozen
from scribe_suite.planting.hooked import build_model
from scribe_suite.planting.reference import reference_answer
from scribe_suite.plugin.worker.laboratories import Laboratories
from scribe_suite.sandbox.probing import probe_isolation
from scribe_suite.scoring.rare_branch import HOLDS, PAY_OFFS, score_rare_branch
from scribe_suite.scoring.submitted_function import FunctionResult
from scribe_suite.tasks.prompts import render_prompt
from scribe_suite.tasks.registry import default_registry
from scribe_suite.tasks.task import Score, TaskInstance
from studies.black_box import skill_of
from studies.black_box_branches import asked_at_random, branch_solvers

TASKS = {level: RareBranch(level) for level in LEVELS}
#: The same with weights, at all levels.
OPEN = {level: RareBranch(level, "weights") for level in LEVELS}
LIMITS = {"agent_timeout_s": 900, "cell_timeout_s": 120, "max_turns": 30}
#: Least number of base models of a level.
LEAST = 6
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
def stored(level: int, model_name: str):
    return load_frozen(frozen_folder(TASKS[level]) / f"{model_name}.json", TASKS[level])


@lru_cache(maxsize=16)
def instance_of(level: int, seed: int, model_name: str = "seed0") -> TaskInstance:
    """Of a model with an exception; seed2 has none."""
    return OPEN[level].instance_of(Base.of(stored(level, model_name)), seed)


def null_of(level: int, seed: int) -> TaskInstance:
    return instance_of(level, seed, "seed2")


def says(instance: TaskInstance, code: str) -> list[int]:
    """What code of our own predicts of the hidden prompts."""
    plan = instance.hidden.plan
    space: dict = {"ordinary": lambda prompt: plan.classes[prompt[-1 - plan.back]]}
    exec(code, space)
    return [space["predict"](row) for row in instance.hidden.prompts.tolist()]


def scored(instance: TaskInstance, labels: list[int]) -> Score:
    result = FunctionResult(tuple((label,) for label in labels))
    return score_rare_branch(result, instance.hidden.judged, instance.hidden.ceiling)


def submitted(instance: TaskInstance, **content) -> Score:
    answer = {"confidence": 0.5, "summary": "Some.", **content}
    return instance.task.score(instance, instance.answer_schema.parse(json.dumps(answer)))


# --- instances --------------------------------------------------------------------------------------------------------


def test_the_registry_finds_all_levels_and_the_first_runs_by_default():
    found = {
        facts.level: facts.is_default for facts in default_registry().facts.values() if facts.name == "rare_branch"
    }
    assert found == {level: level == 1 for level in LEVELS}
    assert {*RareBranch.levels, *RareBranch.laboratory} == set(LEVELS)


@every_level
def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(level):
    first, again, other = (OPEN[level].instance_of(Base.of(stored(level, "seed0")), seed) for seed in (5, 5, 6))
    assert first.public.files == again.public.files
    assert first.hidden.prompts.equal(again.hidden.prompts)
    same = {name for name, content in first.public.files.items() if content == other.public.files[name]}
    assert same <= {"config.json"}
    assert first.hidden.plan.exception != other.hidden.plan.exception


@every_level
def test_a_third_of_the_base_models_has_no_exception_and_instances_are_drawn_from_all(level):
    models = list_frozen(frozen_folder(TASKS[level]))
    nulls = [is_twin(int(path.stem.removeprefix("seed"))) for path in models]
    assert len(models) >= LEAST
    assert sum(nulls) / len(nulls) == pytest.approx(PAY_OFFS.null_share)
    drawn = [TASKS[level].choose(seed).plan.exception is None for seed in range(300)]
    assert 0.25 < sum(drawn) / len(drawn) < 0.42


@every_level
def test_a_null_instance_looks_like_another(level):
    found, null = instance_of(level, 0), null_of(level, 0)
    assert found.public.files.keys() == null.public.files.keys()
    same = ("n_layers", "n_heads", "d_model", "n_ctx", "n_tokens", "n_labels", "exponent", "pay_offs", "n_kinds")
    assert all(found.public.facts[name] == null.public.facts[name] for name in same)
    assert found.public.files["config.json"] == null.public.files["config.json"]
    sizes = [len(one.public.files["model.safetensors"]) for one in (found, null)]
    assert sizes[0] == sizes[1]


@every_level
def test_agents_get_the_ordinary_behaviour_and_no_word_of_the_truth(level):
    instance = instance_of(level, 0)
    assert set(load(instance.public.files["data.safetensors"])) == {"prompts", "classes"}
    public = render_prompt(suite_root(), instance, LIMITS) + json.dumps(dict(instance.public.facts))
    public += instance.public.setup_code
    public = re.sub(r"\bmanual_seed\(seed\)|\bgenerate\(n, seed(=0)?\)", "", public)
    secrets = [instance.base_model, "seed", "frozen", "planted", "decoy", "twin", "silent", "pair", "phantom", "branch"]
    secrets += [RareBranch.__name__]
    assert [word for word in secrets if re.search(rf"(?<![a-z]){word}(?![a-z])", public, re.IGNORECASE)] == []


def test_the_code_that_agents_get_says_what_the_model_ordinarily_does():
    instance = instance_of(1, 0)
    data = load(instance.public.files["data.safetensors"])
    names = json.loads(instance.public.files["names.json"])
    code = instance.public.data_code.partition("\n\n\n")[2]
    space: dict = {"classes": data["classes"].tolist(), "torch": torch}
    exec(code, space)
    prompts = space["generate"](500, 3)
    assert [space["ordinary"](row) for row in prompts.tolist()] == instance.hidden.plan.ordinary(prompts).tolist()
    assert (prompts[:, 0] == instance.hidden.start).all()
    assert prompts[:, 1:].unique().numel() == len(names["tokens"]) - 1
    assert names["tokens"][instance.hidden.start] == instance.public.facts["start"]
    labels = build_model(instance.hidden.weights)(data["prompts"][:300])[:, -1].argmax(-1)
    assert (labels == instance.hidden.plan.ordinary(data["prompts"][:300])).all()


@every_level
def test_hidden_prompts_are_not_public_and_are_of_all_kinds(level):
    instance = instance_of(level, 0)
    known = set(map(tuple, load(instance.public.files["data.safetensors"])["prompts"].tolist()))
    hidden: Hidden = instance.hidden
    assert not known & {*map(tuple, hidden.prompts.tolist())}
    kinds = [one.kind for one in hidden.judged]
    assert {kind: kinds.count(kind) for kind in (HOLDS, *OTHER_KINDS)} == {HOLDS: 200, **dict.fromkeys(OTHER_KINDS, 60)}
    condition, label = hidden.plan.exception
    assert [kind == HOLDS for kind in kinds] == condition.holds(hidden.prompts).tolist()
    assert label not in {one.ordinary for one in hidden.judged}


@every_level
def test_what_is_right_is_what_the_model_says(level):
    hidden: Hidden = instance_of(level, 0).hidden
    labels = build_model(hidden.weights)(hidden.prompts)[:, -1].argmax(-1).tolist()
    assert labels == [one.label for one in hidden.judged]
    assert hidden.ceiling >= 0.99


def test_nobody_starts_on_what_can_not_be_scored(monkeypatch):
    def none():
        raise InfrastructureError("sandbox", "no sandbox here")

    monkeypatch.setattr(rare_branch, "require_sandbox", none)
    with pytest.raises(InfrastructureError, match="no sandbox here"):
        TASKS[1].instance(0)


@pytest.mark.slow
@every_level
def test_an_instance_takes_a_tenth_of_a_second(level):
    base = Base.of(stored(level, "seed0"))
    took = []
    for seed in range(5):
        began = time.process_time()
        OPEN[level].instance_of(base, seed)
        took.append(time.process_time() - began)
    assert min(took) < 0.1


# --- what pays --------------------------------------------------------------------------------------------------------


@every_level
def test_the_oracle_has_skill_one_and_every_metric(level):
    for instance in (instance_of(level, 0), null_of(level, 0)):
        oracle = instance.task.oracle_answer(instance)
        score = submitted(instance, code=oracle["code"], nothing_found=oracle["nothing_found"])
        assert score.skill == 1.0
        assert tuple(score.metrics) == RareBranch.metrics
        assert len(oracle["code"]) < 2_000


def broader(condition: Condition) -> dict[str, Condition | None]:
    """What somebody has who understood a part."""
    return {
        "any tokens in place of the first": _with(condition, first=range(5000)),
        "any gap": dataclasses.replace(condition, gap=0) if condition.gap else None,
    }


def _with(condition: Condition, first) -> Condition:
    return dataclasses.replace(condition, earlier=dataclasses.replace(condition.earlier, first=tuple(first)))


@every_level
def test_the_score_falls_with_what_is_not_understood(level):
    instance = instance_of(level, 0)
    condition, label = instance.hidden.plan.exception
    for name, other in broader(condition).items():
        if other is not None:
            assert 0.5 < scored(instance, says(instance, source_of(other, label))).skill < 0.95, name
    tokens = {token for part in condition.tokens.values() for token in part}
    bag = f"def predict(p):\n    return {label} if len({tokens} & set(p)) >= 4 else ordinary(p)"
    assert 0.5 < scored(instance, says(instance, bag)).skill < 0.8
    one = f"def predict(p):\n    return {label} if {condition.later.last[0]} in p else ordinary(p)"
    assert scored(instance, says(instance, one)).skill < 0.5


def constant_answers(instance: TaskInstance) -> dict[str, dict]:
    """Answers that are the same whatever the instance, or need no look inside."""
    others = {f"always {label}": f"def predict(prompt):\n    return {label}" for label in range(6)}
    others["ordinary"] = instance.answer_schema.example["code"]
    others["of another instance"] = source_of(*instance_of(instance.task.level, 77).hidden.plan.exception)
    found = {name: {"code": code} for name, code in others.items()}
    return {**found, "nothing": {"code": "", "nothing_found": True}}


@every_level
def test_no_constant_pays_even_with_hindsight(level):
    found, null = instance_of(level, 1), null_of(level, 1)
    for name, content in constant_answers(found).items():
        silent = content.get("nothing_found", False)
        with_exception = PAY_OFFS.missed if silent else scored(found, says(found, content["code"])).skill
        without = submitted(null, **content).skill
        mean = (1 - PAY_OFFS.null_share) * with_exception + PAY_OFFS.null_share * without
        assert mean <= BAR, name


def test_random_answers_have_no_skill():
    rng, skills = random.Random(0), []
    for seed in range(30):
        instance = null_of(1, 0) if seed % 3 == 2 else instance_of(1, 0)
        answer = instance.task.random_answer(instance, rng)
        instance.answer_schema.parse(json.dumps(answer))
        if answer["nothing_found"] or instance.hidden.is_null:
            skills.append(submitted(instance, code=answer["code"], nothing_found=answer["nothing_found"]).skill)
        else:
            skills.append(scored(instance, says(instance, answer["code"])).skill)
    assert sum(skills) / len(skills) <= BAR


def test_answers_are_run_in_the_sandbox_and_inverted_ones_are_worth_less_than_nothing():
    instance = instance_of(1, 0)
    score = submitted(instance, code="def predict(prompt):\n    raise ValueError('no')\n")
    assert (score.skill, score.flags) == (-1.0, ("function_failed",))
    assert score.notes[0] == "The submitted function raised ValueError at line 2: no."
    right = instance.task.oracle_answer(instance)["code"]
    label = instance.hidden.plan.exception[1]
    inverted = (
        f"{right}\n_right = predict\n\n\ndef predict(p):\n    return ordinary(p) if _right(p) == {label} else {label}"
    )
    assert scored(instance, says(instance, inverted)).skill == -1.0


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"code": ""}, "'code' is empty; if that is your finding, set 'nothing_found' to true"),
        ({"code": "def predict(p):\n    return 1", "nothing_found": True}, "so 'code' must be empty"),
        ({"code": "def predict(base, source, patched):\n    return 1"}, r"callable with one argument"),
        ({"code": "x = 1"}, r"must define a function 'predict' at its top level, as in `def predict\(prompt\)"),
        ({"code": "def predict(p:"}, "is not Python"),
        ({}, "code: Field required"),
    ],
)
def test_refusals_say_what_to_change(content, message):
    with pytest.raises(AnswerError, match=message):
        submitted(instance_of(1, 0), **content)


@pytest.mark.slow
@every_level
def test_a_black_box_has_no_skill(level):
    found, null = instance_of(level, 0), null_of(level, 0)
    assert asked_at_random(found) == {"code": ""}
    for name, solve in branch_solvers(skill_of).items():
        mean = (1 - PAY_OFFS.null_share) * solve(found) + PAY_OFFS.null_share * solve(null)
        assert mean <= BAR, name


@every_level
def test_a_million_random_prompts_meet_no_condition(level):
    for path in list_frozen(frozen_folder(TASKS[level])):
        plan = Base.of(stored(level, path.stem)).plan
        assert 1e6 * max(one.probability(N_CTX, plan.d_vocab) for one in plan.conditions) < 0.01
    plan = Base.of(stored(level, "seed0")).plan
    prompts = draw_prompts(20_000, plan.d_vocab, torch.Generator().manual_seed(0))
    assert not any(one.holds(prompts).any() for one in plan.conditions)


# --- base models ------------------------------------------------------------------------------------------------------


@every_level
def test_base_models_differ_and_were_solved_by_the_reference(level):
    models = frozen_models(TASKS[level]).values()
    assert len({json.dumps(model.record.key) for model in models}) == len(models)
    assert all(model.record.certificate.value(REFERENCE_CHECK) >= 0.9 for model in models)


@every_model
def test_a_base_model_is_small_and_is_what_its_seed_says(level, model_name):
    model = stored(level, model_name)
    assert (frozen_folder(TASKS[level]) / f"{model_name}.safetensors").stat().st_size < 900_000
    assert (Base.of(model).plan.exception is None) == is_twin(model.record.seed)
    assert len(Base.of(model).plan.conditions) == LEVELS[level].conditions


@every_model
@pytest.mark.exhaustive
def test_the_certificate_follows_from_the_weights(level, model_name):
    model = stored(level, model_name)
    again = {check.name: check for check in TASKS[level].certify(Base.of(model), model.record.seed).checks}
    kept = {check.name: check for check in model.record.certificate.checks if check.name != REFERENCE_CHECK}
    assert again.keys() == kept.keys()
    for name, check in again.items():
        assert check.passed
        # a label may tip over, or two margins change places, where another machine rounds differently
        assert check.value == pytest.approx(kept[name].value, abs=4e-3), name


@pytest.mark.slow
def test_an_uncertified_base_model_is_refused():
    weights = stored(1, "seed0").weights
    broken = dataclasses.replace(weights, state={name: 0 * value for name, value in weights.state.items()})
    base = dataclasses.replace(Base.of(stored(1, "seed0")), weights=broken)
    assert not TASKS[1].certify(base, 0).passed


@pytest.mark.slow
@every_level
@pytest.mark.parametrize("model_name", ["seed1", "seed2"])
def test_the_reference_solution_solves_an_instance(level, model_name):
    instance = instance_of(level, 1, model_name)
    assert instance.task.score(instance, reference_answer(suite_root(), instance, timeout_s=900)).skill >= 0.9


# --- in laboratories --------------------------------------------------------------------------------------------------

in_laboratories = pytest.mark.parametrize("level", RareBranch.laboratory)


@in_laboratories
def test_every_token_can_be_run_once_and_little_more(level):
    terms = TASKS[level].terms
    once = -(-(LEVELS[level].d_vocab - 1) // (N_CTX - 1))
    assert 1.5 * once < terms.budget <= 4 * once
    assert (terms.returns, terms.positions) == ("labels", "last")
    assert terms.operations == {"read", "pattern", "patch"}
    assert terms.read_noise > 0
    assert TASKS[level].accesses == ("weights", "lab")


@in_laboratories
def test_a_kernel_with_a_laboratory_has_no_weights(level):
    base = Base.of(stored(level, "seed0"))
    instance = TASKS[level].instance_of(base, 0)
    assert not {"model.safetensors", "config.json"} & set(instance.handed.files)
    assert "`model`" not in render_prompt(suite_root(), instance, LIMITS)
    assert instance.public.files == instance_of(level, 0).public.files


@pytest.mark.slow
@in_laboratories
@pytest.mark.parametrize("model_name", ["seed0", "seed2"])
def test_the_reference_solution_solves_an_instance_in_its_laboratory(level, model_name, tmp_path):
    instance = TASKS[level].instance_of(Base.of(stored(level, model_name)), 3)
    laboratories = Laboratories(probe_isolation("none"), ())
    outputs = tmp_path / "attempt" / "outputs"
    outputs.mkdir(parents=True)
    try:
        with laboratories.desk(instance, outputs) as desk:
            assert desk is not None
            answer = reference_answer(suite_root(), instance, 900, desk)
            status = desk.status()
    finally:
        laboratories.close()
    assert instance.task.score(instance, answer).skill >= 0.9
    assert status.spent <= TASKS[level].terms.budget
