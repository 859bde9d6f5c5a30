"""circuits/mlp_only: instances are fresh and true, the prompt gives nothing away, and only a right answer pays."""

from __future__ import annotations

import dataclasses
import json
import random
import shutil

import pytest
import torch
from safetensors.torch import load

from ground_truth.circuits._planted import PlantedCircuit, PlantedCircuitTask, opaque_words
from ground_truth.circuits.mlp_only import GroupThenLabel, MlpOnly
from scribe_suite.errors import FrozenModelError
from scribe_suite.paths import ROOT_VARIABLE, suite_root
from scribe_suite.planting.certify import certify_circuit
from scribe_suite.planting.frozen import load_all_frozen, load_frozen
from scribe_suite.planting.hooked import ModelWeights, build_model
from scribe_suite.planting.patchable import PatchableTransformer
from scribe_suite.planting.reference import reference_answer
from scribe_suite.planting.siit import SiitRecipe
from scribe_suite.tasks.prompts import render_prompt
from scribe_suite.tasks.registry import default_registry
from tests.planting.small_circuit import CORRESPONDENCE, HalfThenLabel, small_shape

TASK = MlpOnly()
BASE_MODELS = load_all_frozen(TASK)
LIMITS = {"agent_timeout_s": 900, "cell_timeout_s": 120, "max_turns": 30}


@pytest.fixture(autouse=True, scope="module")
def _one_thread():
    torch.set_num_threads(1)


def first_seeds():
    """For every base model the first seed that draws an instance of it."""
    found: dict[str, int] = {}
    seed = 0
    while len(found) < len(BASE_MODELS):
        found.setdefault(TASK._choose(seed).name, seed)
        seed += 1
    return sorted(found.values())


SEEDS = first_seeds()


@pytest.fixture(scope="module")
def instances():
    return [TASK.instance(seed) for seed in SEEDS]


@pytest.fixture(scope="module")
def instance(instances):
    return instances[0]


def weights_of_instance(instance) -> ModelWeights:
    files = instance.public.files
    return ModelWeights(json.loads(files["config.json"]), load(files["model.safetensors"]))


def skill(instance, components) -> float:
    answer = {
        "components": sorted(components),
        "nothing_found": not components,
        "confidence": 0.5,
        "summary": "From a test.",
    }
    return TASK.score(instance, instance.answer_schema.parse(json.dumps(answer))).skill


# --- what is true -----------------------------------------------------------------------------------------------------


def test_the_registry_finds_the_task():
    assert isinstance(default_registry()["circuits/mlp_only"], MlpOnly)


def test_the_base_models_cover_every_placement():
    assert {(*model.record.key["u"], *model.record.key["out"]) for model in BASE_MODELS} == {
        ("m0", "m1"),
        ("m0", "m2"),
        ("m1", "m2"),
    }


def test_a_key_file_says_what_its_seed_plants():
    for model in BASE_MODELS:
        planted = TASK.circuit(model.record.seed)
        assert {name: tuple(nodes) for name, nodes in model.record.key.items()} == planted.correspondence


def assert_certificate_is_reproduced(model):
    again = TASK.certify(model.record.seed, model.weights)
    stored = {check.name: check.value for check in model.record.certificate.checks}
    assert stored.pop("reference/f1") >= 0.9
    assert {check.name for check in again.checks} == set(stored)
    # a label may tip over where another machine rounds differently
    assert {check.name: check.value for check in again.checks} == pytest.approx(stored, abs=1e-3)
    assert again.failures() == []


def test_the_certificate_follows_from_the_weights():
    assert_certificate_is_reproduced(BASE_MODELS[0])


@pytest.mark.slow
@pytest.mark.parametrize("model", BASE_MODELS[1:], ids=lambda model: model.name)
def test_every_certificate_follows_from_its_weights(model):
    assert_certificate_is_reproduced(model)


@pytest.mark.parametrize("which", [0, *(pytest.param(i, marks=pytest.mark.slow) for i in range(1, len(SEEDS)))])
def test_the_certificate_holds_for_an_instance(instances, which):
    instance = instances[which]
    planted = instance.hidden.circuit
    result = certify_circuit(
        weights_of_instance(instance), planted.causal, planted.correspondence, instance.hidden.held_out
    )
    assert result.failures() == []


def test_a_wrong_u_always_gives_a_wrong_label():
    for seed in range(6):
        causal = GroupThenLabel(seed)
        for flavour in range(3):
            assert len(set(causal._table[:, flavour].tolist())) == 4


# --- what an agent gets -----------------------------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others():
    first, again, other = TASK.instance(5), TASK.instance(5), TASK.instance(6)
    assert first.public.files == again.public.files
    assert all(
        first.public.files[name] != other.public.files[name] for name in first.public.files if name != "config.json"
    )
    assert first.hidden.key == again.hidden.key


def test_instances_of_one_base_model_differ_in_weights_and_words():
    same = [TASK.instance(seed) for seed in range(40) if TASK._choose(seed).name == BASE_MODELS[0].name][:2]
    one, two = (weights_of_instance(instance).state for instance in same)
    assert not torch.allclose(one["blocks.0.mlp.W_in"], two["blocks.0.mlp.W_in"], atol=0.05)
    names = [json.loads(instance.public.files["names.json"]) for instance in same]
    assert not set(names[0]["tokens"]) & set(names[1]["tokens"])


def test_the_set_up_cell_loads_a_model_that_is_right(instance, tmp_path, monkeypatch):
    for name, content in instance.public.files.items():
        (tmp_path / name).write_bytes(content)
    monkeypatch.chdir(tmp_path)
    space: dict = {}
    exec(instance.public.setup_code, space)
    facts = instance.public.facts
    assert space["prompts"].shape == (facts["n_prompts"], facts["n_ctx"])
    assert space["base"].shape == space["source"].shape == (facts["n_pairs"], facts["n_ctx"])
    for tokens, labels in (("prompts", "labels"), ("base", "base_labels"), ("source", "source_labels")):
        with torch.no_grad():
            predicted = space["model"](space[tokens]).argmax(-1)
        assert (predicted == space[labels]).float().mean() > 0.99
    assert len(set(space["token_names"])) == facts["n_tokens"]
    assert len(set(space["label_names"])) == facts["n_labels"]


def test_held_out_pairs_are_not_public(instance):
    data = load(instance.public.files["data.safetensors"])
    public = {tuple(row) for name in ("prompts", "base", "source") for row in data[name].tolist()}
    hidden = {tuple(row) for row in instance.hidden.held_out.base.tolist()}
    assert len(public & hidden) < 0.01 * len(hidden)


def test_the_prompt_names_what_is_there_and_gives_nothing_away(instance):
    text = render_prompt(suite_root(), instance, LIMITS)
    public = text + json.dumps(dict(instance.public.facts)) + instance.public.setup_code
    public += "".join(instance.public.files[name].decode() for name in ("config.json", "names.json"))
    for secret in ("mlp_only", "MLP only", "seed", "frozen", "SIIT", instance.base_model):
        assert secret not in public
    for name in ("`model`", "`prompts`", "`labels`", "`base`", "`source`", "`base_labels`", "`token_names`"):
        assert name in text
    assert set(instance.answer_schema.example["components"]) <= set(instance.public.facts["components"])
    instance.answer_schema.parse(json.dumps(dict(instance.answer_schema.example)))


def test_words_are_different_and_mean_nothing():
    words = opaque_words(25, random.Random(1))
    assert len(set(words)) == 25
    assert words == opaque_words(25, random.Random(1)) != opaque_words(25, random.Random(2))


# --- what pays --------------------------------------------------------------------------------------------------------


def test_the_oracle_has_skill_one(instances):
    for instance in instances:
        answer = instance.answer_schema.parse(json.dumps(TASK.oracle_answer(instance)))
        score = TASK.score(instance, answer)
        assert score.skill == 1.0
        assert score.metrics == {"iou": 1.0, "precision": 1.0, "recall": 1.0, "f1": 1.0}


def test_the_reference_solution_solves_an_instance(instance):
    answer = reference_answer(suite_root(), instance, timeout_s=120)
    assert TASK.score(instance, answer).skill == 1.0


@pytest.mark.slow
@pytest.mark.parametrize("which", range(1, len(SEEDS)))
def test_the_reference_solution_solves_every_base_model(instances, which):
    answer = reference_answer(suite_root(), instances[which], timeout_s=120)
    assert TASK.score(instances[which], answer).skill == 1.0


NODES = frozenset(TASK.shape.nodes)
DEGENERATE = {
    "nothing": lambda _: frozenset(),
    "everything": lambda _: NODES,
    "all MLPs": lambda _: frozenset(name for name in NODES if name.startswith("m")),
    "all heads": lambda _: frozenset(name for name in NODES if name.startswith("a")),
    "the complement": lambda key: NODES - key,
    "the example": lambda _: frozenset({"a0.h1", "m2"}),
}


@pytest.mark.parametrize("name", DEGENERATE)
def test_degenerate_answers_have_no_skill(instances, name):
    for instance in instances:
        assert skill(instance, DEGENERATE[name](instance.hidden.key)) <= 0.0


def test_the_blind_answer_is_chance(instances):
    assert TASK.blind_answer == {"m0", "m1", "m2"}
    assert [skill(instance, TASK.blind_answer) for instance in instances] == [0.0] * len(instances)


@pytest.mark.parametrize("guess", [("m0", "m1"), ("m0", "m2"), ("m1", "m2")], ids="-".join)
def test_guessing_two_mlps_does_not_pay_on_average(instances, guess):
    assert sum(skill(instance, guess) for instance in instances) / len(instances) < 0


def test_random_answers_have_no_skill(instances):
    rng = random.Random(3)
    skills = []
    for instance in instances:
        for _ in range(50):
            answer = instance.answer_schema.parse(json.dumps(TASK.random_answer(instance, rng)))
            skills.append(TASK.score(instance, answer).skill)
    assert sum(skills) / len(skills) < 0


def loudness(instance) -> dict[str, dict[str, float]]:
    """What somebody who never patches can measure: size of weights, of outputs, of their variation."""
    network = PatchableTransformer.from_weights(weights_of_instance(instance))
    with torch.no_grad():
        _, values = network(instance.hidden.held_out.base)
        writes = network.writes(values)
        weights = torch.cat([network.W_O.flatten(2).norm(dim=-1), network.W_out.flatten(1).norm(dim=-1)[:, None]], 1)
    scans = {
        "weight norm": weights,
        "output norm": writes.norm(dim=-1).mean((2, 3)),
        "output variation": writes.std(2).norm(dim=-1).mean(2),
    }
    return {
        name: dict(zip(network.shape.nodes, values.flatten().tolist(), strict=True)) for name, values in scans.items()
    }


@pytest.mark.parametrize("scan", ["weight norm", "output norm", "output variation"])
def test_the_loudest_two_components_are_not_the_answer(instances, scan):
    skills = []
    for instance in instances:
        loud = loudness(instance)[scan]
        skills.append(skill(instance, sorted(loud, key=loud.__getitem__)[-2:]))
    assert sum(skills) / len(skills) <= 0.0


# --- planting ---------------------------------------------------------------------------------------------------------


class SmallTask(PlantedCircuitTask):
    family = "circuits"
    name = "small"
    summary = "For tests."
    shape = small_shape()
    recipe = SiitRecipe(steps=150, warmup=20, learning_rate=1e-2)

    def circuit(self, seed):
        return PlantedCircuit(HalfThenLabel(), CORRESPONDENCE)


class BarelyTrainedTask(SmallTask):
    recipe = dataclasses.replace(SmallTask.recipe, steps=2)


@pytest.fixture
def empty_checkout(tmp_path, monkeypatch):
    solutions = tmp_path / "ground_truth" / "solutions" / "circuits"
    solutions.mkdir(parents=True)
    (tmp_path / "prompts").mkdir()
    shutil.copy(suite_root() / "ground_truth" / "solutions" / "circuits" / "mlp_only.py", solutions / "small.py")
    monkeypatch.setenv(ROOT_VARIABLE, str(tmp_path))
    return tmp_path


def test_a_model_that_fails_its_certificate_is_never_shipped(empty_checkout):
    with pytest.raises(FrozenModelError, match=r"circuits/small, seed 3, is not frozen.*behaviour = "):
        BarelyTrainedTask().plant(3, lambda *_: None)
    assert not (empty_checkout / "ground_truth" / "frozen").exists()
    with pytest.raises(FrozenModelError, match="scribe-suite plant circuits/small"):
        BarelyTrainedTask().instance(0)


def test_planting_freezes_a_certified_model_with_its_reference(empty_checkout):
    task, states = SmallTask(), []
    task.plant(0, lambda done, _: states.append(done))
    model = load_frozen(empty_checkout / "ground_truth" / "frozen" / "circuits" / "small" / "seed0.json", task)
    assert model.record.certificate.value("reference/f1") == 1.0
    assert model.record.key == {"half": ["m0"], "out": ["m1"]}
    assert states == sorted(states)
    instance = task.instance(11)
    assert build_model(weights_of_instance(instance)).cfg.n_layers == 2
    assert instance.hidden.key == {"m0", "m1"}


def test_a_key_that_is_not_the_circuit_of_its_seed_is_refused(monkeypatch):
    elsewhere = PlantedCircuit(GroupThenLabel(0), {"u": ("m0",), "out": ("a2.h0",)})
    monkeypatch.setattr(MlpOnly, "circuit", lambda _task, _seed: elsewhere)
    with pytest.raises(FrozenModelError, match=r"circuits/mlp_only/seed\d is not the circuit that its seed stands for"):
        MlpOnly().instance(1)
