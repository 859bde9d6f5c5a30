"""circuits/ioi: what its causal model computes in each of its variants, and what its sentences say."""

from __future__ import annotations

import json

import pytest
import torch

from ground_truth.circuits.ioi import IndirectObject, Ioi
from scribe_suite.paths import suite_root
from scribe_suite.tasks.prompts import render_prompt
from tests.ground_truth.circuits.untrained import label_after, untrained_instance

TASK = Ioi()
ONE, TWO = IndirectObject(two_movers=False), IndirectObject(two_movers=True)
FIRST, SECOND, REPEATED = 2, 4, 9


def prompt(first: int, second: int, repeated: int) -> torch.Tensor:
    tokens = ONE.sample(1, torch.Generator().manual_seed(0))
    tokens[0, [FIRST, SECOND, REPEATED]] = torch.tensor([first, second, repeated])
    return tokens


# --- the causal model -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("causal", [ONE, TWO], ids=["one mover", "two movers"])
def test_the_label_is_the_name_that_is_not_repeated(causal):
    assert causal.run(prompt(3, 17, 3)).labels.tolist() == [[17]]
    assert causal.run(prompt(3, 17, 17)).labels.tolist() == [[3]]


@pytest.mark.parametrize("causal", [ONE, TWO], ids=["one mover", "two movers"])
@pytest.mark.parametrize("variable", ["dup", "sinh"])
def test_which_slot_is_repeated_comes_from_the_source_and_the_name_from_the_base(causal, variable):
    base = prompt(3, 17, 3)
    assert label_after(causal, base, prompt(8, 9, 9), variable) == 3
    assert label_after(causal, base, prompt(8, 9, 8), variable) == 17


def test_a_name_mover_brings_the_name_of_the_source():
    assert label_after(ONE, prompt(3, 17, 3), prompt(8, 9, 8), "out") == 9


def test_two_name_movers_bring_one_half_of_a_name_each():
    base, source = prompt(3, 17, 3), prompt(8, 6, 8)  # 17 = 4 * 4 + 1, 6 = 4 * 1 + 2
    assert label_after(TWO, base, source, "row") == 4 * 1 + 1
    assert label_after(TWO, base, source, "column") == 4 * 4 + 2
    assert label_after(TWO, base, source, "row", "column") == 6


def test_halves_of_names_always_make_a_name():
    names = range(TWO.n_labels)
    assert {name // 4 * 4 + other % 4 for name in names for other in names} == set(names)


def test_prompts_hold_two_names_and_repeat_either():
    tokens = ONE.sample(4000, torch.Generator().manual_seed(0))
    first, second, repeated = tokens[:, [FIRST, SECOND, REPEATED]].T
    assert (first != second).all()
    assert ((repeated == first) | (repeated == second)).all()
    assert abs((repeated == first).float().mean() - 0.5) < 0.05
    assert set(first.tolist()) == set(second.tolist()) == set(ONE.groups["names"])


def test_names_are_where_labels_are():
    assert list(ONE.groups["names"]) == list(range(ONE.n_labels))


# --- variants ---------------------------------------------------------------------------------------------------------


def test_the_seeds_take_turns_at_the_variants():
    plans = [TASK.plan(seed) for seed in range(6)]
    assert [len(plan.correspondence) for plan in plans] == [3, 4, 3] * 2
    assert [plan.shape.normalization for plan in plans] == [None, None, "LN"] * 2
    assert all(set(plan.correspondence) == set(plan.causal.variables) for plan in plans)


def test_the_nodes_of_a_circuit_are_different_and_in_order():
    for seed in range(12):
        plan = TASK.plan(seed)
        nodes = [node for name in plan.causal.variables for node in plan.correspondence[name]]
        layers = [int(node[1]) for node in nodes]
        assert len(set(nodes)) == len(nodes)
        assert layers[0] < layers[1] < layers[2]
        assert len(set(layers[2:])) == 1


def test_ten_seeds_have_many_placements():
    placed = {
        tuple(node[1] for nodes in TASK.plan(seed).correspondence.values() for node in nodes) for seed in range(10)
    }
    assert len({layers[:3] for layers in placed}) >= 6


# --- words ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("base_seed", [0, 1, 2])
def test_an_instance_answers_with_the_other_name(base_seed):
    instance = untrained_instance(TASK, 11, base_seed)
    names = json.loads(instance.public.files["names.json"])
    causal = instance.hidden.causal
    prompts = causal.sample(200, torch.Generator().manual_seed(1))
    for tokens, label in zip(prompts.tolist(), causal.run(prompts).labels[:, 0].tolist(), strict=True):
        words = [names["tokens"][token] for token in tokens]
        assert {words[FIRST], words[SECOND]} == {names["labels"][label], words[REPEATED]}
        assert words[0] == "<bos>"
        assert words[-1] == "to"


def test_words_stay_in_their_group_and_differ_between_instances():
    one, two = (json.loads(untrained_instance(TASK, seed).public.files["names.json"]) for seed in (1, 2))
    for names in (one, two):
        people = {names["tokens"][token] for token in names["groups"]["names"]}
        assert people == set(names["labels"])
        assert len(set(names["tokens"])) == len(names["tokens"]) == ONE.d_vocab
        assert names["tokens"][names["groups"]["and"][0]] == "and"
    assert set(one["labels"]) != set(two["labels"])


def test_the_prompt_shows_examples_and_no_structure():
    instance = untrained_instance(TASK, 3)
    text = render_prompt(suite_root(), instance, {"agent_timeout_s": 900, "cell_timeout_s": 120, "max_turns": 30})
    for example in instance.public.facts["examples"]:
        assert f"{example['prompt']}  ->  {example['labels'][0]}\n" in text
    for secret in ("circuits/", "ioi", "Indirect", "duplicate", "inhibition", "mover", "dup", "sinh"):
        assert secret not in text
