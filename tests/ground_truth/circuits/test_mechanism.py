"""circuits/mechanism: what an agent gets, what is right, and that nothing but the mechanism pays."""

from __future__ import annotations

import dataclasses
import json
import random
import re
from functools import cache, lru_cache

import pytest
import torch
from safetensors.torch import load

from ground_truth.circuits import mechanism
from ground_truth.circuits.mechanism import REFERENCE_CHECK, Mechanism
from ground_truth.circuits.mechanisms.base import Base
from ground_truth.circuits.mechanisms.hidden import Hidden
from ground_truth.circuits.mechanisms.levels import LEVELS
from scribe_suite.errors import InfrastructureError
from scribe_suite.laboratory.prices import Work, price_of
from scribe_suite.paths import suite_root
from scribe_suite.planting.circuits.causal import circuit_of, interchanged
from scribe_suite.planting.circuits.patchable import PatchableTransformer
from scribe_suite.planting.frozen import frozen_folder, frozen_models, list_frozen, load_frozen
from scribe_suite.planting.hooked import build_model
from scribe_suite.planting.reference import reference_answer
from scribe_suite.plugin.worker.laboratories import Laboratories
from scribe_suite.sandbox.probing import probe_isolation
from scribe_suite.scoring.mechanism import balanced_match, blind_score, score_mechanism
from scribe_suite.scoring.submitted_function import FunctionResult
from scribe_suite.tasks.prompts import render_prompt
from scribe_suite.tasks.registry import default_registry
from scribe_suite.tasks.task import Score, TaskInstance
from studies.mechanism_answers import black_box_answers

TASKS = {level: Mechanism(level) for level in LEVELS}
#: Those that hand the model over in a laboratory.
SCARCE = set(Mechanism.laboratory)
LIMITS = {"agent_timeout_s": 900, "cell_timeout_s": 120, "max_turns": 30}
FEWEST_MODELS = {1: 6, 2: 6, 3: 6, 4: 5}
LARGEST_FILE = {1: 700_000, 2: 700_000, 3: 1_200_000, 4: 1_800_000}
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


@lru_cache(maxsize=8)
def instance_of(level: int, seed: int) -> TaskInstance:
    return TASKS[level].instance(seed)


def says(instance: TaskInstance, code: str) -> list[int]:
    """What code of our own predicts of the hidden triples."""
    space: dict = {}
    exec(code, space)
    triples = instance.hidden.triples
    rows = zip(triples.pairs.base.tolist(), triples.pairs.source.tolist(), triples.patched, strict=True)
    return [space["predict"](*row) for row in rows]


def scored(instance: TaskInstance, labels: list[int]) -> Score:
    result = FunctionResult(tuple((label,) for label in labels))
    return score_mechanism(result, instance.hidden.truth, instance.hidden.ceiling)


def submitted(instance: TaskInstance, **content) -> Score:
    answer = {"confidence": 0.5, "summary": "Some.", **content}
    return instance.task.score(instance, instance.answer_schema.parse(json.dumps(answer)))


# --- instances --------------------------------------------------------------------------------------------------------


def test_the_registry_finds_all_levels_and_the_first_runs_by_default():
    found = {facts.level: facts.is_default for facts in default_registry().facts.values() if facts.name == "mechanism"}
    assert found == {level: level == 1 for level in LEVELS}
    assert set(Mechanism.levels) == set(LEVELS)
    assert {level for level, task in TASKS.items() if task.default_access == "lab"} == SCARCE


def test_every_level_has_base_models_of_its_own():
    assert len({frozen_folder(task) for task in TASKS.values()}) == len(TASKS)


@every_level
def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(level):
    first, again, other = TASKS[level].instance(5), TASKS[level].instance(5), TASKS[level].instance(6)
    assert first.public.files == again.public.files
    assert first.hidden.triples.patched == again.hidden.triples.patched
    same = {name for name, content in first.public.files.items() if content == other.public.files[name]}
    assert same <= {"config.json"}
    assert first.hidden.source != other.hidden.source


@every_level
def test_agents_get_prompts_and_no_label_and_no_word_of_the_truth(level):
    instance = instance_of(level, 0)
    assert set(load(instance.public.files["data.safetensors"])) == {"prompts"}
    public = render_prompt(suite_root(), instance, LIMITS) + json.dumps(dict(instance.public.facts))
    public += instance.handed.setup_code + instance.public.files["names.json"].decode()
    labels = json.loads(instance.public.files["names.json"])["labels"]
    assert not [label for label in labels if label in render_prompt(suite_root(), instance, LIMITS)]
    public = re.sub(r"\bmanual_seed\(seed\)|\bgenerate\(n, seed(=0)?\)", "", public)
    secrets = [instance.base_model, "seed", "frozen", "planted", "decoy", "correspondence", "teacher"]
    secrets += [
        *(["interchange"] if level not in SCARCE else []),
        Mechanism.__name__,
        *(part.name for part in instance.hidden.base.program.parts[:-1]),
    ]
    assert [word for word in secrets if re.search(rf"(?<![a-z]){word}(?![a-z])", public, re.IGNORECASE)] == []


@every_level
def test_hidden_prompts_are_not_public(level):
    instance = instance_of(level, 0)
    known = set(map(tuple, load(instance.public.files["data.safetensors"])["prompts"].tolist()))
    pairs = instance.hidden.triples.pairs
    assert not known & {*map(tuple, pairs.base.tolist()), *map(tuple, pairs.source.tolist())}


def test_nobody_starts_on_what_can_not_be_scored(monkeypatch):
    def none():
        raise InfrastructureError("sandbox", "no sandbox here")

    monkeypatch.setattr(mechanism, "require_sandbox", none)
    with pytest.raises(InfrastructureError, match="no sandbox here"):
        TASKS[1].instance(0)


@torch.no_grad()
def patched_as_the_prompt_says(model, instance: TaskInstance, row: int) -> int:
    """The label by TransformerLens' hooks."""
    triples = instance.hidden.triples
    _, cache_there = model.run_with_cache(triples.pairs.source[[row]])
    hooks = []
    for node in triples.patched[row]:
        layer, _, head = node[1:].partition(".h")
        name = f"blocks.{layer}.attn.hook_z" if head else f"blocks.{layer}.hook_mlp_out"

        def put(value, hook, index=int(head) if head else None):
            if index is None:
                return cache_there[hook.name]
            value[:, :, index] = cache_there[hook.name][:, :, index]
            return value

        hooks.append((name, put))
    return int(model.run_with_hooks(triples.pairs.base[[row]], fwd_hooks=hooks)[0, -1].argmax())


@every_level
def test_what_is_right_is_what_the_model_says_when_it_is_patched_as_the_prompt_says(level):
    instance = instance_of(level, 0)
    model = build_model(instance.hidden.weights)
    for row in range(6):  # one of each stratum
        assert patched_as_the_prompt_says(model, instance, row) == instance.hidden.truth[row].label


@every_level
def test_both_kinds_of_labels_are_common_in_every_stratum(level):
    truth = instance_of(level, 0).hidden.truth
    for stratum in {triple.stratum for triple in truth}:
        changed = [triple.is_changed for triple in truth if triple.stratum == stratum]
        assert 0.15 < sum(changed) / len(changed) < 0.9


# --- what pays --------------------------------------------------------------------------------------------------------


@every_level
def test_the_oracle_has_skill_one_and_every_metric(level):
    instance = instance_of(level, 0)
    oracle = TASKS[level].oracle_answer(instance)
    score = scored(instance, says(instance, oracle["code"]))
    assert score.skill == 1.0
    assert tuple(score.metrics) == Mechanism.metrics
    assert instance.hidden.ceiling >= 0.98
    assert len(oracle["code"]) < 10_000


def cheap_answers(instance: TaskInstance) -> dict[str, list[int]]:
    """Answers without a mechanism, however much they know of what the model says without patches."""
    truth, rng = instance.hidden.truth, random.Random(instance.seed)
    labels = [triple.label for triple in truth]
    return {
        "without a patch": [triple.clean for triple in truth],
        "the source's": [triple.source for triple in truth],
        "the commonest": [max(set(labels), key=labels.count)] * len(truth),
        "at random": [rng.randrange(6) for _ in truth],
        "the source's if much is patched": [
            triple.source if len(patched) > 4 else triple.clean
            for triple, patched in zip(truth, instance.hidden.triples.patched, strict=True)
        ],
        "either": [rng.choice([triple.clean, triple.source]) for triple in truth],
        "of another instance": says(instance, instance_of(instance.task.level, instance.seed + 1).hidden.source),
    }


@every_level
def test_nothing_cheap_pays(level):
    paid: dict[str, list[float]] = {}
    for seed in range(2):
        for name, labels in cheap_answers(instance_of(level, seed)).items():
            paid.setdefault(name, []).append(scored(instance_of(level, seed), labels).skill)
    assert {name: skills for name, skills in paid.items() if sum(skills) / len(skills) > BAR} == {}


@every_level
def test_knowing_where_but_not_how_pays_little(level):
    instance = instance_of(level, 0)
    hidden: Hidden = instance.hidden
    circuit = circuit_of(hidden.correspondence)
    labels = [
        triple.source if circuit & set(patched) else triple.clean
        for triple, patched in zip(hidden.truth, hidden.triples.patched, strict=True)
    ]
    assert scored(instance, labels).skill < 0.3


def without(hidden: Hidden, missed: set[str]) -> float:
    """Score of the program of somebody who does not know that some nodes matter."""
    known = torch.tensor([name not in missed for name in hidden.causal.variables])
    pairs = hidden.triples.pairs
    labels = interchanged(hidden.causal, pairs.base, pairs.source, hidden.triples.chosen & known).labels[:, 0]
    return balanced_match(labels.tolist(), hidden.truth)


@every_level
def test_what_is_not_understood_costs_and_no_single_node_decides(level):
    hidden: Hidden = instance_of(level, 0).hidden
    inner, rng = list(hidden.causal.variables[:-1]), random.Random(0)
    scores = [hidden.ceiling]
    for count in (1, len(inner) // 2, len(inner)):
        drawn = [without(hidden, set(rng.sample(inner, count))) for _ in range(6)]
        scores.append(sum(drawn) / len(drawn))
    assert scores == sorted(scores, reverse=True)
    assert scores[1] > 0.75
    assert blind_score(hidden.truth) <= scores[-1] < 0.7


def test_answers_are_run_in_the_sandbox():
    instance = instance_of(1, 0)
    score = submitted(instance, code="def predict(base, source, patched):\n    raise ValueError('no')\n")
    assert (score.skill, score.flags) == (-1.0, ("function_failed",))
    assert score.notes[0] == "The submitted function raised ValueError at line 2: no."
    assert submitted(instance, code="").skill == -1.0
    assert submitted(instance, code=instance.answer_schema.example["code"]).skill <= 0


@pytest.mark.slow
@every_level
def test_answers_of_a_black_box_that_knows_the_function_have_no_skill(level):
    instance = instance_of(level, 0)
    oracle = TASKS[level].oracle_answer(instance)
    assert submitted(instance, code=oracle["code"]).skill == 1.0
    for name, content in black_box_answers(instance).items():
        assert submitted(instance, **content).skill <= BAR, name


# --- base models ------------------------------------------------------------------------------------------------------


@cache
def stored(level: int, model_name: str):
    return load_frozen(frozen_folder(TASKS[level]) / f"{model_name}.json", TASKS[level])


@every_level
def test_base_models_differ_and_were_solved_by_the_reference(level):
    models = frozen_models(TASKS[level]).values()
    assert len(models) >= FEWEST_MODELS[level]
    assert len({json.dumps(model.record.key["program"]) for model in models}) == len(models)
    if level not in SCARCE:
        assert all(model.record.certificate.value(REFERENCE_CHECK) >= 0.9 for model in models)


@every_model
def test_a_base_model_is_small_and_has_a_program_as_large_as_its_level_says(level, model_name):
    model = stored(level, model_name)
    assert (frozen_folder(TASKS[level]) / f"{model_name}.safetensors").stat().st_size < LARGEST_FILE[level]
    base = Base.of(model)
    assert len(base.program.parts) == LEVELS[level].dial.variables
    assert len(circuit_of(base.correspondence)) == len(base.program.parts)


@pytest.mark.slow
def test_the_program_of_a_training_seed_is_what_was_planted():
    model = stored(1, "seed0")
    plan = LEVELS[1].plan(0)
    assert plan.program.as_record() == Base.of(model).program.as_record()
    assert plan.correspondence == Base.of(model).correspondence


@every_model
@pytest.mark.exhaustive
def test_the_certificate_follows_from_the_weights(level, model_name):
    model = stored(level, model_name)
    again = {check.name: check for check in TASKS[level].certify(Base.of(model), model.record.seed).checks}
    kept = {check.name: check for check in model.record.certificate.checks if check.name != REFERENCE_CHECK}
    assert again.keys() == kept.keys()
    for name, check in again.items():
        assert check.passed
        # a label may tip over where another machine rounds differently
        assert check.value == pytest.approx(kept[name].value, abs=4e-3), name


@pytest.mark.slow
def test_an_uncertified_base_model_is_refused():
    weights = stored(1, "seed0").weights
    broken = dataclasses.replace(weights, state={name: 0 * value for name, value in weights.state.items()})
    base = dataclasses.replace(Base.of(stored(1, "seed0")), weights=broken)
    assert not TASKS[1].certify(base, 0).passed


@pytest.mark.slow
@pytest.mark.parametrize("level", [1, 2, 3, 4])
def test_the_reference_solution_solves_an_instance(level, tmp_path):
    instance = instance_of(level, 1)
    if level not in SCARCE:
        answer = reference_answer(suite_root(), instance, timeout_s=900)
    else:
        laboratories = Laboratories(probe_isolation("none"), ())
        try:
            with laboratories.desk(instance, tmp_path) as desk:
                answer = reference_answer(suite_root(), instance, timeout_s=900, desk=desk)
        finally:
            laboratories.close()
    assert instance.task.score(instance, answer).skill >= 0.9


@pytest.mark.parametrize("level", sorted(SCARCE))
def test_scarce_levels_give_drawn_labels_and_readings_that_are_mostly_noise(level):
    terms = TASKS[level].terms
    assert (terms.returns, terms.positions) == ("samples", "last")
    # weights can't be solved for (docs/guide/laboratory.md)
    assert terms.read_noise >= 2
    assert terms.operations == {"read", "patch"}
    # patched prompts on which all nodes are read: too few for 97 % of the entries of all tables, five times each
    nodes = len(instance_of(level, 0).public.facts["components"])
    assert 550 * price_of(Work(units=1, patched=True, sites=nodes)) > terms.budget


@pytest.mark.parametrize("level", sorted(SCARCE))
def test_the_likeliest_label_is_drawn_some_five_times_in_six(level):
    hidden, terms = instance_of(level, 0).hidden, TASKS[level].terms
    prompts = hidden.causal.sample(64, torch.Generator().manual_seed(3))
    logits = PatchableTransformer.from_weights(hidden.weights)(prompts)[0][:, -1].detach()
    assert 0.75 < (logits / terms.temperature).softmax(-1).amax(-1).mean() < 0.92


@pytest.mark.parametrize("level", sorted(SCARCE))
def test_upper_levels_have_variables_that_are_hard_to_see(level):
    for model in frozen_models(TASKS[level]).values():
        program = Base.of(model).program
        fetched = [(part.operation, *part.inputs, part.place, part.wanted) for part in program.parts if part.is_head]
        assert len(set(fetched)) < len(fetched), "two heads that stand in for each other"
        effects = [check.value for check in model.record.certificate.checks if check.name.startswith("patched/")]
        assert min(effects) < 0.15 < max(effects)
