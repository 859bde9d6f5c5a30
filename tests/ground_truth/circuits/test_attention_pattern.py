"""circuits/attention_pattern: what its causal model computes, and that no public text gives its rule away."""

from __future__ import annotations

import json

import torch

from ground_truth.circuits.attention_pattern import AttentionPattern, WordAfterMarker
from scribe_suite.paths import suite_root
from scribe_suite.tasks.prompts import render_prompt
from tests.ground_truth.circuits.untrained import label_after, untrained_instance

TASK = AttentionPattern()
CAUSAL = WordAfterMarker()
MARKER, BEGIN, END = (CAUSAL.groups[name][0] for name in ("special", "begin", "end"))


def prompt(marker_at: int, shift: int = 0) -> torch.Tensor:
    """Word ``shift + i`` in place i from 1 to 9, but for the marker."""
    tokens = torch.tensor([[BEGIN, *range(shift + 1, shift + 10), END]])
    tokens[0, marker_at] = MARKER
    return tokens


def test_the_label_is_the_word_after_the_marker():
    assert CAUSAL.run(prompt(1)).labels.tolist() == [[2]]
    assert CAUSAL.run(prompt(8)).labels.tolist() == [[9]]
    assert CAUSAL.run(prompt(8)).values["mark"].tolist() == [9]


def test_the_place_comes_from_the_source_and_the_word_from_the_base():
    base, source = prompt(2), prompt(6, shift=4)
    assert label_after(CAUSAL, base, source) == 3
    assert label_after(CAUSAL, base, source, "mark") == 7
    assert label_after(CAUSAL, base, source, "out") == 11
    assert label_after(CAUSAL, base, source, "mark", "out") == 11


def test_a_place_that_holds_the_marker_has_the_markers_own_label():
    assert label_after(CAUSAL, prompt(5), prompt(4), "mark") == MARKER
    labels = CAUSAL.run(CAUSAL.sample(2000, torch.Generator().manual_seed(0))).labels
    assert set(labels.flatten().tolist()) == set(CAUSAL.groups["words"])
    assert set(CAUSAL.groups["words"]) | {MARKER} == set(range(CAUSAL.n_labels))


def test_every_prompt_has_one_marker_anywhere_but_in_the_last_place():
    tokens = CAUSAL.sample(4000, torch.Generator().manual_seed(0))
    is_marker = tokens == MARKER
    assert (is_marker.sum(1) == 1).all()
    assert set(is_marker.long().argmax(1).tolist()) == set(range(1, 9))
    assert (tokens[:, 0] == BEGIN).all()
    assert (tokens[:, -1] == END).all()
    assert set(tokens[:, 1:-1].flatten().tolist()) == {*CAUSAL.groups["words"], MARKER}


def test_no_fixed_label_is_right_often():
    labels = CAUSAL.run(CAUSAL.sample(4000, torch.Generator().manual_seed(0))).labels
    assert torch.bincount(labels.flatten()).max() / len(labels) < 0.1


def test_the_seeds_have_every_placement():
    placed = {tuple(node for nodes in TASK.plan(seed).correspondence.values() for node in nodes) for seed in range(10)}
    assert placed == {(f"a{first}.h0", f"a{second}.h0") for second in range(5) for first in range(second)}


def test_the_words_tell_neither_the_marker_nor_what_a_label_stands_for():
    names = json.loads(untrained_instance(TASK, 4).public.files["names.json"])
    lengths = {len(word) for word in (*names["tokens"], *names["labels"])}
    assert lengths == {6}
    assert not {word.upper() for word in names["tokens"]} & set(names["labels"])


def test_the_prompt_shows_examples_and_no_rule():
    instance = untrained_instance(TASK, 4)
    text = render_prompt(suite_root(), instance, {"agent_timeout_s": 900, "cell_timeout_s": 120, "max_turns": 30})
    for example in instance.public.facts["examples"]:
        assert f"{example['prompt']}  ->  {example['labels'][0]}\n" in text
    for secret in (
        "attention_pattern",
        "AttentionPattern",
        "marker",
        "`mark`",
        "marked",
        "after the",
        "copies",
        "previous",
    ):
        assert secret not in text
