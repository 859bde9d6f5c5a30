"""circuits/unknown_behaviour: what its programs compute, that prompts do not tell them apart, what shortcuts earn."""

from __future__ import annotations

import json
import math
from itertools import pairwise

import pytest
import torch
from torch.nn import functional

from ground_truth.circuits import unknown_behaviour
from ground_truth.circuits.planted.programs import (
    KINDS,
    LABELS,
    LAST,
    ONCE,
    WORDS,
    AskedSlot,
    SameKind,
    SumOfTwo,
    WordAfter,
    placement_of,
    program_of,
)
from ground_truth.circuits.unknown_behaviour import UnknownBehaviour
from scribe_suite.errors import InfrastructureError
from scribe_suite.paths import suite_root
from scribe_suite.planting.circuits.causal import circuit_of, interchanged
from scribe_suite.planting.circuits.patchable import Patch, PatchableTransformer
from scribe_suite.planting.hooked import build_model
from scribe_suite.scoring.behaviour import constant_exact_match, function_skill
from scribe_suite.tasks.prompts import render_prompt
from scribe_suite.tasks.registry import default_registry
from tests.ground_truth.circuits.untrained import untrained_instance

TASK = UnknownBehaviour()
SEEDS = range(2 * len(KINDS))

every_seed = pytest.mark.parametrize("seed", SEEDS)


@pytest.fixture(autouse=True, scope="module")
def _one_thread():
    torch.set_num_threads(1)


def drawn(n: int, seed: int = 0) -> torch.Tensor:
    return program_of(0).sample(n, torch.Generator().manual_seed(seed))


def labels_after(causal, base, source, *variables: str) -> torch.Tensor:
    chosen = torch.tensor([[name in variables for name in causal.variables]]).expand(len(base), -1)
    return interchanged(causal, base, source, chosen).labels[:, 0]


def predictions(code: str, prompts: torch.Tensor) -> list[int]:
    space: dict = {}
    exec(code, space)
    return space["predict"](prompts.tolist())


# --- prompts and programs ---------------------------------------------------------------------------------------------


def test_the_registry_finds_the_task():
    assert isinstance(default_registry()[TASK.id], UnknownBehaviour)


def test_one_word_stands_in_every_prompt_once_and_not_at_the_ends():
    prompts = drawn(3000)
    assert prompts.shape == (3000, LAST + 1)
    assert ((prompts == ONCE).sum(1) == 1).all()
    assert set((prompts == ONCE).nonzero()[:, 1].tolist()) == {1, 2, 3, 4, 5}
    counts = torch.bincount(prompts[prompts != ONCE], minlength=WORDS) / (prompts != ONCE).sum()
    assert (counts - 1 / WORDS).abs().max() < 0.01


def test_prompts_and_sizes_do_not_tell_the_kind():
    programs = [program_of(seed) for seed in SEEDS]
    assert len({type(program).sample_prompts for program in programs}) == 1
    assert len({json.dumps({name: list(ids) for name, ids in program.groups.items()}) for program in programs}) == 1
    assert len({(program.d_vocab, program.n_labels, program.n_ctx, program.labelled) for program in programs}) == 1


def test_kinds_take_turns_and_seeds_of_a_kind_differ():
    assert [type(program_of(seed)) for seed in SEEDS] == [*KINDS, *KINDS]
    prompts = drawn(500)
    for seed in range(len(KINDS)):
        one, other = (program_of(each).run(prompts).labels for each in (seed, seed + len(KINDS)))
        assert (one == other).float().mean() < 0.5


@pytest.mark.parametrize("kind", KINDS)
def test_every_variable_comes_after_what_it_is_computed_from(kind):
    program, places = kind(0), kind.placements(5)
    nodes = set(TASK.plan(0).shape.nodes)
    assert len(places) == len({circuit_of(place) for place in places}) or kind is SumOfTwo
    for place in places:
        assert set(place) == set(program.variables)
        assert circuit_of(place) <= nodes
        assert len(circuit_of(place)) == len(program.variables)
        depth = {"output": math.inf, "input": -1.0}
        for name, (node,) in place.items():
            depth[name] = int(node[1:].split(".")[0]) + (0.5 if node.startswith("m") else 0.0)
        assert all(depth[earlier] < depth[later] for earlier, later in program.edges)


@every_seed
def test_the_plan_places_the_program_of_its_seed(seed):
    plan = TASK.plan(seed)
    assert isinstance(plan.causal, KINDS[seed % len(KINDS)])
    assert plan.correspondence == placement_of(plan.causal, 5, seed) == TASK.plan(seed).correspondence


@every_seed
def test_every_label_occurs(seed):
    counts = torch.bincount(program_of(seed).run(drawn(2000)).labels[:, 0], minlength=LABELS)
    assert counts.min() > 0


@every_seed
def test_a_variable_matters_enough_to_be_certified(seed):
    program = program_of(seed)
    base, source = drawn(4000, 1), drawn(4000, 2)
    clean = program.run(base).labels[:, 0]
    for name in program.variables:
        assert (labels_after(program, base, source, name) != clean).float().mean() > 0.35, name


def test_the_slot_that_the_last_word_asks_for_counts():
    program, base, source = AskedSlot(0), drawn(400, 1), drawn(400, 2)
    asks = program._class[base[:, LAST]]
    words = source.gather(1, program._slots[asks][:, None])[:, 0]
    expected = program._table[program._group[words], asks]
    assert torch.equal(labels_after(program, base, source, "group"), expected)
    assert torch.equal(labels_after(program, base, source, "out"), program.run(source).labels[:, 0])
    theirs = program._class[source[:, LAST]]
    asked = program._group[source.gather(1, program._slots[theirs][:, None])[:, 0]]
    assert torch.equal(labels_after(program, base, source, "asked"), program._table[asked, asks])


def test_the_word_after_the_single_one_counts():
    program, base, source = WordAfter(1), drawn(400, 1), drawn(400, 2)
    place = (source == ONCE).long().argmax(1) + 1
    column = program._class[base[:, LAST]]
    theirs, ours = (tokens.gather(1, place[:, None])[:, 0] for tokens in (source, base))
    assert torch.equal(labels_after(program, base, source, "after"), program._table[program._group[ours], column])
    assert torch.equal(labels_after(program, base, source, "found"), program._table[program._group[theirs], column])


def test_two_words_of_the_same_kind_change_how_the_last_one_is_read():
    program, base, source = SameKind(2), drawn(400, 1), drawn(400, 2)
    same = program._kind[source[:, program._left]] == program._kind[base[:, program._right]]
    expected = program._readings[same.long(), program._class[base[:, LAST]]]
    assert torch.equal(labels_after(program, base, source, "left"), expected)
    assert (program._readings[0] != program._readings[1]).all()


def test_two_numbers_are_added():
    program, base, source = SumOfTwo(3), drawn(400, 1), drawn(400, 2)
    first, second = program._places
    expected = (program._numbers[0][source[:, first]] + program._numbers[1][base[:, second]]) % LABELS
    assert torch.equal(labels_after(program, base, source, "first"), expected)


@pytest.mark.parametrize("kind", [AskedSlot, WordAfter])
def test_a_wrong_group_always_gives_a_wrong_label(kind):
    for seed in range(5):
        table = kind(seed)._table
        for column in range(table.shape[1]):
            assert len(set(table[:, column].tolist())) == len(table)


@every_seed
def test_the_written_program_is_the_program_in_any_names(seed):
    program, prompts = program_of(seed), drawn(600)
    right = program.run(prompts).labels[:, 0]
    generator = torch.Generator().manual_seed(seed)
    tokens, labels = (torch.randperm(size, generator=generator) for size in (program.d_vocab, LABELS))
    code = program.source(tokens.tolist(), labels.tolist())
    assert predictions(code, tokens[prompts]) == labels[right].tolist()
    assert predictions(code, tokens[prompts]) != right.tolist()
    assert len(code) < 20_000


def linear_weights(prompts: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """A logistic regression on one-hot words per position, as logits per position, word and label."""
    features = functional.one_hot(prompts, ONCE + 1).flatten(1).float()
    weights = torch.zeros(features.shape[1], LABELS, requires_grad=True)
    optimiser = torch.optim.LBFGS([weights], max_iter=40)

    def loss() -> torch.Tensor:
        optimiser.zero_grad()
        value = functional.cross_entropy(features @ weights, labels) + 1e-3 * weights.pow(2).sum()
        value.backward()
        return value

    optimiser.step(loss)
    return weights.detach().view(LAST + 1, ONCE + 1, LABELS)


def linear_predictions(weights: torch.Tensor, prompts: torch.Tensor) -> torch.Tensor:
    return weights[torch.arange(LAST + 1), prompts].sum(1).argmax(-1)


@every_seed
def test_no_program_is_linear_in_its_words(seed):
    program, fresh = program_of(seed), drawn(4000, 1)
    weights = linear_weights(drawn(4000), program.run(drawn(4000)).labels[:, 0])
    right = program.run(fresh).labels
    exact = (linear_predictions(weights, fresh) == right[:, 0]).float().mean().item()
    assert function_skill(exact, constant_exact_match([tuple(row) for row in right.tolist()])) <= 0.5


# --- instances --------------------------------------------------------------------------------------------------------


def test_nobody_starts_on_what_can_not_be_scored(monkeypatch):
    def none():
        raise InfrastructureError("sandbox", "no sandbox here")

    monkeypatch.setattr(unknown_behaviour, "require_sandbox", none)
    with pytest.raises(InfrastructureError, match="no sandbox here"):
        TASK.instance(0)


def test_hidden_prompts_are_many_and_hardly_repeat():
    held_out = untrained_instance(TASK, 5).hidden.held_out.base
    assert len(set(map(tuple, held_out.tolist()))) >= 512


def test_agents_get_no_label():
    instance = untrained_instance(TASK, 5, 1)
    limits = {"agent_timeout_s": 900, "cell_timeout_s": 120, "max_turns": None}
    prompt = render_prompt(suite_root(), instance, limits)
    example = instance.public.facts["examples"][0]
    assert example["prompt"] in prompt
    assert "labels" not in example
    shown = [label for label in json.loads(instance.public.files["names.json"])["labels"] if label in prompt]
    assert shown == []
    assert "labels =" not in instance.public.setup_code


def test_what_is_right_is_what_the_model_says():
    instance = untrained_instance(TASK, 5, 2)
    secret = instance.hidden
    said = build_model(secret.weights)(secret.held_out.base)[:, -1].argmax(-1)
    labels = unknown_behaviour._labels(secret)
    assert labels == [(label,) for label in said.tolist()]
    assert labels != [tuple(row) for row in secret.causal.run(secret.held_out.base).labels.tolist()]


def test_an_answer_without_code_starts_no_sandbox(monkeypatch):
    monkeypatch.setattr(unknown_behaviour, "run_submitted_function", lambda *_: pytest.fail("a sandbox was started"))
    assert unknown_behaviour._result(untrained_instance(TASK, 1).hidden, "").predictions is None


# --- what pays --------------------------------------------------------------------------------------------------------


def scored(instance, code: str, components):
    content = {"code": code, "components": sorted(components), "confidence": 0.5, "summary": "Some."}
    return TASK.score(instance, instance.answer_schema.parse(json.dumps(content)))


@pytest.mark.slow
def test_half_an_answer_pays_little():
    instance = TASK.instance(1)
    oracle = TASK.oracle_answer(instance)
    constant = "def predict(prompts):\n    return [0 for _ in prompts]\n"
    assert scored(instance, oracle["code"], oracle["components"]).metrics["exact_match"] >= 0.98
    assert scored(instance, oracle["code"], instance.public.facts["components"]).skill <= 0.15
    assert scored(instance, oracle["code"], []).skill == 0.0
    assert scored(instance, constant, oracle["components"]).skill <= 0.1


def test_code_that_raises_is_the_agents_doing():
    score = scored(TASK.instance(1), "def predict(prompts):\n    raise ValueError('no')\n", ["m0"])
    assert (score.skill, score.flags) == (0.0, ("function_failed",))
    assert score.notes[0] == "The submitted function raised ValueError at line 2: no."


@torch.no_grad()
def nodes_of_one_scan(network: PatchableTransformer, base: torch.Tensor, source: torch.Tensor) -> list[str]:
    """Resample each node alone, rank by changed labels, cut at the widest gap."""
    clean = network(base)[0][:, -1].argmax(-1)
    values = network(source)[1]
    changed = {}
    for node in network.shape.nodes:
        mask = network.shape.mask([node]).expand(len(base), -1, -1)
        changed[node] = (network(base, Patch(mask, values))[0][:, -1].argmax(-1) != clean).float().mean().item()
    ranked = sorted(changed, key=lambda node: -changed[node])
    gaps = [changed[one] - changed[other] for one, other in pairwise(ranked)]
    return ranked[: gaps.index(max(gaps)) + 1]


def code_of(weights: torch.Tensor) -> str:
    table = (weights * 100).round().int().tolist()
    return f"""\
import numpy as np
W = np.array({json.dumps(table, separators=(",", ":"))})


def predict(prompts):
    return W[np.arange({LAST + 1}), np.array(prompts)].sum(1).argmax(-1)
"""


@pytest.mark.exhaustive
def test_one_scan_and_a_linear_model_stay_below_half():
    skills = []
    for seed in range(7000, 7020):
        instance = TASK.instance(seed)
        network = PatchableTransformer.from_weights(instance.hidden.weights)
        prompts, source = (instance.hidden.causal.sample(2000, torch.Generator().manual_seed(i)) for i in (1, 2))
        nodes = nodes_of_one_scan(network, prompts[:500], source[:500])
        weights = linear_weights(prompts, network(prompts)[0][:, -1].argmax(-1))
        skills.append(scored(instance, code_of(weights), nodes).skill)
    assert sum(skills) / len(skills) < 0.5
