"""circuits/edges: what an agent gets, what is right, and that nothing but the wiring pays."""

from __future__ import annotations

import dataclasses
import json
import random
import re
import time
from collections import Counter
from functools import cache, lru_cache
from statistics import mean

import pytest
import torch
from safetensors.torch import load

from ground_truth.circuits.edges import REFERENCE_CHECK, Edges, wired
from ground_truth.circuits.mechanisms.base import Base
from ground_truth.circuits.wirings.blind import BlindRule, Wired, class_of
from ground_truth.circuits.wirings.levels import LABORATORY, LEVELS, MODELS
from scribe_suite.paths import suite_root
from scribe_suite.planting.circuits.causal import circuit_of
from scribe_suite.planting.circuits.interchange import draw_pairs
from scribe_suite.planting.circuits.patchable import PatchableTransformer
from scribe_suite.planting.circuits.wiring.certificate import EDGE_BAR, OTHER_BAR
from scribe_suite.planting.circuits.wiring.edges import LOGITS, Edge, edges_between, wiring_of
from scribe_suite.planting.circuits.wiring.paths import PathPatched, all_others
from scribe_suite.planting.circuits.wiring.signatures import edge_signatures
from scribe_suite.planting.frozen import frozen_folder, frozen_models, list_frozen, load_frozen
from scribe_suite.planting.reference import reference_answer
from scribe_suite.scoring.edges import score_edges
from scribe_suite.tasks.prompts import render_prompt
from scribe_suite.tasks.registry import default_registry
from scribe_suite.tasks.task import Score, TaskInstance
from studies.degenerate import auroc
from studies.edge_answers import cheap_edges
from studies.exchangeability import HIGHEST, LOWEST

TASKS = {level: Edges(level) for level in Edges.known_levels()}
LIMITS = {"agent_timeout_s": 900, "cell_timeout_s": 120, "max_turns": 30}
#: Skill of an answer that found nothing out, at most, on average.
BAR = 0.05
#: Base models by level.
LEAST = {1: 6, 2: 5}

every_level = pytest.mark.parametrize("level", TASKS)
every_model = pytest.mark.parametrize(
    ("level", "model_name"),
    [(level, path.stem) for level in LEVELS for path in list_frozen(frozen_folder(TASKS[level]))],
)


@pytest.fixture(autouse=True, scope="module")
def _one_thread():
    torch.set_num_threads(1)


@lru_cache(maxsize=16)
def instance_of(level: int, seed: int) -> TaskInstance:
    return TASKS[level].instance(seed)


def scored(instance: TaskInstance, edges) -> Score:
    answer = {"confidence": 0.5, "summary": "Some.", "edges": list(edges)}
    return instance.task.score(instance, instance.answer_schema.parse(json.dumps(answer)))


# --- instances --------------------------------------------------------------------------------------------------------


def test_the_registry_finds_all_levels_and_the_first_runs_by_default():
    found = {facts.level: facts.is_default for facts in default_registry().facts.values() if facts.name == "edges"}
    assert found == {1: True, 2: False, 3: False, 4: False}
    assert set(Edges.levels) == set(LEVELS)
    assert set(Edges.laboratory) == set(LABORATORY) == set(MODELS) == {3, 4}


@every_level
def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(level):
    first, again, other = TASKS[level].instance(5), TASKS[level].instance(5), TASKS[level].instance(6)
    assert first.public.files == again.public.files
    assert first.hidden.key == again.hidden.key
    same = {name for name, content in first.public.files.items() if content == other.public.files[name]}
    assert same <= {"config.json"}


@every_level
def test_an_instance_is_made_in_a_moment(level):
    TASKS[level].instance(0)
    spent = []
    for seed in range(4):
        began = time.process_time()
        TASKS[level].instance(seed)
        spent.append(time.process_time() - began)
    assert min(spent) < 0.1


@every_level
def test_agents_get_the_nodes_and_no_word_of_the_truth(level):
    instance = instance_of(level, 0)
    handed = instance.handed
    assert set(load(instance.public.files["data.safetensors"])) == {"prompts", "labels"}
    public = render_prompt(suite_root(), instance, LIMITS) + handed.setup_code
    public = re.sub(r"\bmanual_seed\(seed\)|\bgenerate\(n, seed(=0)?\)", "", public)
    secrets = [instance.base_model, "seed", "frozen", "planted", "decoy", "correspondence", "teacher", "crosstalk"]
    secrets += [Edges.__name__, "patching", *(part.name for part in TASKS[level].choose(0).program.parts[:-1])]
    found = [word for word in secrets if re.search(rf"(?<![\w.]){re.escape(word)}(?![\w.])", public)]
    assert found == []
    assert ("model.safetensors" in handed.files) == (level in LEVELS)


@every_level
def test_the_nodes_and_edges_of_the_notebook_are_those_of_the_schema(level):
    instance = instance_of(level, 0)
    names: dict = {}
    exec(instance.public.data_code.rpartition("\n\n\n")[2], names)
    assert names["nodes"] == instance.public.facts["nodes"]
    assert names["edges"] == instance.public.facts["edges"] == list(map(str, edges_between(names["nodes"])))
    assert instance.hidden.key < set(names["edges"])


@every_level
def test_the_key_is_what_path_patching_finds_in_the_instance(level):
    instance = instance_of(level, 1)
    hidden = instance.hidden
    network = PatchableTransformer.from_weights(hidden.weights)
    paths = PathPatched(network, draw_pairs(hidden.causal, 200, torch.Generator().manual_seed(8)))
    by_name = {str(edge): edge for edge in edges_between(instance.public.facts["nodes"])}
    key = {by_name[name] for name in hidden.key}
    rng = random.Random(0)
    assert all(paths.effect([edge]) > EDGE_BAR - 0.1 for edge in rng.sample(sorted(key), 6))
    others = sorted(set(by_name.values()) - key)
    assert all(paths.effect([edge]) <= OTHER_BAR for edge in rng.sample(others, 10))
    read_out = Edge(hidden.correspondence["out"][0], LOGITS)
    assert paths.effect(all_others(network, {*key, read_out})) <= OTHER_BAR + 0.01


# --- what pays --------------------------------------------------------------------------------------------------------


@every_level
def test_the_oracle_has_skill_one_and_every_metric(level):
    instance = instance_of(level, 0)
    score = scored(instance, TASKS[level].oracle_answer(instance)["edges"])
    assert score.skill == 1.0
    assert tuple(score.metrics) == Edges.metrics


@every_level
def test_nothing_cheap_pays(level):
    paid: dict[str, list[float]] = {}
    for seed in range(3):
        instance = instance_of(level, seed)
        for name, edges in cheap_edges(instance).items():
            paid.setdefault(name, []).append(scored(instance, edges).skill)
    assert {name: round(mean(skills), 2) for name, skills in paid.items() if mean(skills) > BAR} == {}


@every_level
def test_the_best_rule_in_hindsight_has_no_skill_over_fresh_placements(level):
    task, skills = TASKS[level], []
    for base in map(Base.of, frozen_models(task).values()):
        for seed in range(1000, 1015):
            there = wired(base.program, task.placement(base.program, seed))
            key = frozenset(map(str, there.key))
            skills.append(score_edges(sorted(task.blind.edges(there.nodes)), key, task.blind.chance).skill)
    assert mean(skills) == pytest.approx(0.0, abs=0.05)
    assert 0.3 < task.blind.chance < 0.7


@pytest.mark.parametrize("level", LEVELS)
def test_a_list_of_nodes_does_not_name_the_base_model(level):
    task = TASKS[level]
    for base in map(Base.of, frozen_models(task).values()):
        lists = Counter(circuit_of(task.placement(base.program, seed)) for seed in range(100))
        assert len(lists) > 25
        assert lists.most_common(1)[0][1] < 35
        assert task.placement(base.program, 3) == task.placement(base.program, 3)


@every_level
def test_an_instance_has_its_nodes_where_its_seed_puts_them(level):
    instance, task = instance_of(level, 0), TASKS[level]
    where = task.placement(task.choose(0).program, 0)
    layers = [
        sorted(node.partition(".")[0] for node in nodes)
        for nodes in (instance.public.facts["nodes"], circuit_of(where))
    ]
    assert layers[0] == layers[1]


@every_level
def test_half_of_the_key_is_worth_less_than_all_of_it_and_wrong_inputs_cost(level):
    instance = instance_of(level, 0)
    key = sorted(instance.hidden.key)
    half = scored(instance, key[::2])
    assert half.metrics["f1"] < 0.7
    swapped = {".q": ".v", ".k": ".q", ".v": ".k"}
    turned = [edge[:-2] + swapped[edge[-2:]] if edge[-2:] in swapped else edge for edge in key]
    score = scored(instance, turned)
    assert score.metrics["pair_f1"] == 1.0
    assert score.metrics["f1"] < 0.75


@pytest.mark.parametrize("level", LABORATORY)
def test_laboratories_sell_no_paths_and_grant_more_than_can_be_enough(level):
    task, instance = TASKS[level], instance_of(level, 0)
    assert task.access == "lab"
    assert task.terms.operations == {"patch"}
    assert 2 <= task.bound(instance) < task.terms.budget / 5
    assert TASKS[1].bound(instance_of(1, 0)) is None


def test_a_rule_takes_whole_classes_and_the_number_of_them_that_pays():
    far, near = Edge("m0", "a5.h0", "v"), Edge("a5.h1", "m5")
    assert class_of(far) == ("m", "v", 4)
    assert class_of(near) == ("a", "in", 0)
    assert class_of(Edge("embed", "m5")) == ("embed", "in", 3)
    nodes = frozenset({"m0", "a5.h0", "a5.h1", "m5"})
    one = Wired(nodes, frozenset({near}))
    rule = BlindRule.over([one])
    assert rule.classes == {class_of(near)}
    assert rule.edges(nodes) == {"a5.h0->m5", "a5.h1->m5"}
    assert rule.chance == pytest.approx(2 / 3)


# --- base models ------------------------------------------------------------------------------------------------------


@cache
def stored(level: int, model_name: str):
    return load_frozen(frozen_folder(TASKS[level]) / f"{model_name}.json", TASKS[level])


@pytest.mark.parametrize("level", LEVELS)
def test_base_models_differ_and_were_solved_by_the_reference(level):
    models = frozen_models(TASKS[level]).values()
    assert len(models) >= LEAST[level]
    assert len({json.dumps(model.record.key["program"]) for model in models}) == len(models)
    assert all(model.record.certificate.value(REFERENCE_CHECK) >= 0.9 for model in models)


def test_laboratories_have_the_models_of_levels_with_weights():
    assert TASKS[3].models_id == TASKS[1].models_id == "circuits/edges"
    assert TASKS[4].models_id == TASKS[2].models_id == "circuits/edges_2"


@every_model
def test_a_base_model_is_small_and_as_large_as_its_level_says(level, model_name):
    model = stored(level, model_name)
    assert (frozen_folder(TASKS[level]) / f"{model_name}.safetensors").stat().st_size < 420_000
    base = Base.of(model)
    assert len(base.program.parts) == LEVELS[level].dial.variables == len(circuit_of(base.correspondence))
    checks = {check.name for check in model.record.certificate.checks if check.name.startswith("edge/")}
    assert checks == {f"edge/{edge}" for edge in wiring_of(base.program, base.correspondence)}


@pytest.mark.parametrize("level", LEVELS)
def test_the_program_of_a_training_seed_is_what_was_planted(level):
    path = list_frozen(frozen_folder(TASKS[level]))[0]
    model, plan = stored(level, path.stem), LEVELS[level].plan(int(path.stem.removeprefix("seed")))
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
    base = Base.of(next(iter(frozen_models(TASKS[1]).values())))
    state = {name: 0 * value for name, value in base.weights.state.items()}
    broken = dataclasses.replace(base, weights=dataclasses.replace(base.weights, state=state))
    assert not TASKS[1].certify(broken, 0).passed


@pytest.mark.slow
@pytest.mark.parametrize("level", LEVELS)
def test_the_reference_solution_solves_an_instance(level):
    instance = instance_of(level, 1)
    answer = reference_answer(suite_root(), instance, timeout_s=900)
    assert instance.task.score(instance, answer).skill >= 0.9


@pytest.mark.slow
def test_no_statistic_of_weights_or_activations_tells_the_key_from_other_edges():
    # of all models of a level: the share of pairs, one edge of the key and one other of the same model, in which the
    # first has the larger value
    for level in LEVELS:
        found: dict[str, list[float]] = {}
        for base in map(Base.of, frozen_models(TASKS[level]).values()):
            base = TASKS[level].placed(base, 4)
            key = set(wiring_of(base.program, base.correspondence))
            edges = edges_between(circuit_of(base.correspondence))
            prompts = base.program.sample(64, torch.Generator().manual_seed(0))
            for name, values in edge_signatures(base.weights, edges, prompts).items():
                score = {str(edge): value for edge, value in zip(edges, values.tolist(), strict=True)}
                found.setdefault(name, []).append(auroc(score, set(map(str, key))))
        means = {name: mean(values) for name, values in found.items()}
        assert {name: round(value, 2) for name, value in means.items() if not LOWEST <= value <= HIGHEST} == {}, level
