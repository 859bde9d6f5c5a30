"""circuits/antonym: what its causal model computes, and that its words are antonyms under every renaming."""

from __future__ import annotations

import json
import random

import torch

from ground_truth.circuits.antonym import ANTONYMS, Antonym, AskedAntonym
from scribe_suite.paths import suite_root
from scribe_suite.tasks.prompts import render_prompt
from tests.ground_truth.circuits.untrained import label_after, untrained_instance

TASK = Antonym()
CAUSAL = AskedAntonym()
FIRST, SECOND = CAUSAL.groups["first"][0], CAUSAL.groups["second"][0]
OPPOSITES = {a: b for pair in ANTONYMS for a, b in (pair, pair[::-1])}


def prompt(first: int, second: int, asked: int) -> torch.Tensor:
    bos, opposite, of = (CAUSAL.groups[name][0] for name in ("<bos>", "opposite", "of"))
    return torch.tensor([[bos, FIRST, first, SECOND, second, opposite, of, asked]])


# --- the causal model -------------------------------------------------------------------------------------------------


def test_the_label_is_the_antonym_of_the_word_asked_for():
    assert CAUSAL.run(prompt(4, 11, FIRST)).labels.tolist() == [[5]]
    assert CAUSAL.run(prompt(4, 11, SECOND)).labels.tolist() == [[10]]
    assert CAUSAL.run(prompt(4, 11, SECOND)).values["ant"].tolist() == [[5, 10]]


def test_antonyms_come_from_the_source_and_the_question_from_the_base():
    base, source = prompt(4, 11, SECOND), prompt(6, 20, FIRST)
    assert label_after(CAUSAL, base, source, "ant") == 21
    assert label_after(CAUSAL, base, source, "out") == 7
    assert label_after(CAUSAL, base, source, "ant", "out") == 7
    assert label_after(CAUSAL, base, source) == 10


def test_prompts_ask_for_either_of_two_different_words():
    tokens = CAUSAL.sample(4000, torch.Generator().manual_seed(0))
    assert (tokens[:, 2] != tokens[:, 4]).all()
    assert set(tokens[:, [2, 4]].flatten().tolist()) == set(CAUSAL.groups["words"])
    assert abs((tokens[:, -1] == FIRST).float().mean() - 0.5) < 0.05
    again = prompt(0, 0, 0).repeat(len(tokens), 1)
    again[:, [2, 4, 7]] = tokens[:, [2, 4, 7]]
    assert torch.equal(tokens, again)


def test_the_seeds_have_every_placement():
    placed = {tuple(node for nodes in TASK.plan(seed).correspondence.values() for node in nodes) for seed in range(10)}
    assert placed == {(f"m{mlp}", f"a{head}.h0") for head in range(5) for mlp in range(head)}


# --- words ------------------------------------------------------------------------------------------------------------


def test_the_table_holds_enough_pairs_and_no_word_twice():
    words = [word for pair in ANTONYMS for word in pair]
    fixed = {name for name in CAUSAL.groups if name != "words"}
    assert len(ANTONYMS) >= 40
    assert len(set(words)) == len(words) == 2 * len(ANTONYMS)
    assert not fixed & set(words)
    assert all(word.isalpha() and word.islower() for word in words)


def test_the_words_of_a_pair_are_antonyms():
    tokens, labels = TASK.words(CAUSAL, random.Random(3))
    assert labels == tokens[: CAUSAL.n_labels]
    assert len(set(tokens)) == len(tokens) == CAUSAL.d_vocab
    assert all(OPPOSITES[tokens[2 * i]] == tokens[2 * i + 1] for i in range(CAUSAL.n_labels // 2))
    assert tokens[CAUSAL.n_labels :] == ["<bos>", "first", "second", "opposite", "of"]
    others, _ = TASK.words(CAUSAL, random.Random(4))
    assert set(others) != set(tokens)


def test_either_word_of_a_pair_may_have_the_even_number():
    even = {word for seed in range(20) for word in TASK.words(CAUSAL, random.Random(seed))[0][0:24:2]}
    assert {"hot", "cold"} <= even


def test_an_instance_answers_with_antonyms():
    instance = untrained_instance(TASK, 8)
    names = json.loads(instance.public.files["names.json"])
    causal = instance.hidden.causal
    prompts = causal.sample(200, torch.Generator().manual_seed(1))
    for tokens, label in zip(prompts.tolist(), causal.run(prompts).labels[:, 0].tolist(), strict=True):
        words = [names["tokens"][token] for token in tokens]
        assert words[::2] == ["<bos>", words[2], words[4], "of"]
        assert words[1::2] == ["first", "second", "opposite", words[7]]
        assert names["labels"][label] == OPPOSITES[words[2 if words[7] == "first" else 4]]


def test_the_prompt_shows_examples_but_neither_name_nor_place():
    instance = untrained_instance(TASK, 8)
    text = render_prompt(suite_root(), instance, {"agent_timeout_s": 900, "cell_timeout_s": 120, "max_turns": 30})
    for example in instance.public.facts["examples"]:
        assert f"{example['prompt']}  ->  {example['labels'][0]}\n" in text
    for secret in ("circuits/", "antonym", " ^ 1", "gather", "`ant`", "`out`"):
        assert secret not in text
