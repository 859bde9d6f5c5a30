"""circuits/backup_heads: either variable suffices, both together decide, and no logit shows which one speaks."""

from __future__ import annotations

import torch

from ground_truth.circuits.backup_heads import BackedUpRecall, BackupHeads
from ground_truth.circuits.planted.recall import WORDS, asked_word
from scribe_suite.planting.circuits.causal import interchanged

CAUSAL = BackedUpRecall()


def pairs(n=200):
    base, source = CAUSAL.sample_pairs(n, torch.Generator().manual_seed(0))
    differ = asked_word(base) != asked_word(source)
    return base[differ], source[differ]


def run(variables):
    base, source = pairs()
    chosen = torch.tensor([name in variables for name in CAUSAL.variables]).expand(len(base), -1)
    return base, source, interchanged(CAUSAL, base, source, chosen)


def test_the_label_is_the_word_in_the_slot_that_is_asked_for():
    start, asking = CAUSAL.groups["start"][0], CAUSAL.groups["last"]
    for slot, word in enumerate((3, 7, 9)):
        prompt = torch.tensor([[start, 10, 3, 11, 7, 12, 9, 13, asking[slot]]])
        assert CAUSAL.run(prompt).labels.tolist() == [[word]]


def test_one_of_the_two_changes_nothing_and_no_logit():
    for variable in CAUSAL.variables:
        base, _, patched = run({variable})
        clean = CAUSAL.run(base)
        assert torch.equal(patched.labels, clean.labels)
        assert torch.equal(patched.logits, clean.logits)


def test_both_together_bring_the_other_word():
    _, source, patched = run({"primary", "backup"})
    assert torch.equal(patched.labels[:, 0], asked_word(source))


def test_the_backup_says_nothing_unless_something_was_done():
    base, source, patched = run({"primary"})
    assert (CAUSAL.run(base).values["backup"] == 0).all()
    assert torch.equal(patched.values["backup"], (asked_word(base) - asked_word(source)) % WORDS)


def test_the_two_heads_are_in_different_layers_and_seeds_cover_all_placements():
    placed = {tuple(nodes[0] for nodes in BackupHeads().plan(seed).correspondence.values()) for seed in range(10)}
    assert len(placed) == 10
    assert all(int(first[1]) < int(second[1]) for first, second in placed)
