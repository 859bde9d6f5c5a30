"""circuits/suppressor: who raises and who lowers, and that signs count."""

from __future__ import annotations

import json

import pytest
import torch

from ground_truth.circuits.planted.recall import asked_word
from ground_truth.circuits.suppressor import SuppressedRecall, Suppressor, roles
from scribe_suite.errors import AnswerError
from scribe_suite.planting.circuits.causal import circuit_of, interchanged

CAUSAL = SuppressedRecall()
TASK = Suppressor()


def run(*variables):
    base, source = CAUSAL.sample_pairs(200, torch.Generator().manual_seed(0))
    differ = asked_word(base) != asked_word(source)
    base, source = base[differ], source[differ]
    chosen = torch.tensor([name in variables for name in CAUSAL.variables]).expand(len(base), -1)
    return asked_word(base), asked_word(source), interchanged(CAUSAL, base, source, chosen)


def logit(result, words):
    return result.logits[:, 0].gather(1, words[:, None])[:, 0]


def test_the_right_word_is_raised_and_lowered_by_half_as_much():
    right, _, clean = run()
    assert torch.equal(clean.labels[:, 0], right)
    assert (logit(clean, right) == 2.0).all()


@pytest.mark.parametrize("variable", ["first", "second"])
def test_one_suppressor_more_or_less_changes_no_logit(variable):
    _, _, clean = run()
    _, _, patched = run(variable)
    assert torch.equal(patched.logits, clean.logits)


def test_both_suppressors_from_elsewhere_set_the_right_word_free():
    right, other, patched = run("first", "second")
    assert (logit(patched, right) == 4.0).all()
    assert (logit(patched, other) == -2.0).all()
    assert torch.equal(patched.labels[:, 0], right)


def test_the_mover_decides_the_label():
    _, other, patched = run("mover")
    assert torch.equal(patched.labels[:, 0], other)


def test_the_mover_is_never_before_a_suppressor_and_seeds_cover_all_placements():
    plans = [TASK.plan(seed).correspondence for seed in range(20)]
    layers = {tuple(int(plan[name][0][1]) for name in ("first", "second", "mover")) for plan in plans}
    assert len(layers) == 20
    assert all(first < second <= mover for first, second, mover in layers)


def test_the_key_has_signs():
    where = TASK.plan(0).correspondence
    assert sorted(roles(where).values()) == ["supports", "suppresses", "suppresses"]
    assert {entry[-1] for entry in TASK.key(where)} == {"+", "-"}
    assert {entry[:-1] for entry in TASK.key(where)} == circuit_of(where)


def test_only_the_two_roles_are_taken():
    schema = TASK.answer_schema({"components": ["a0.h0", "a0.h1", "m0"]})
    good = {"roles": {"a0.h0": "suppresses"}, "confidence": 0.5, "summary": "s"}
    assert schema.parse(json.dumps(good)).roles == {"a0.h0": "suppresses"}
    with pytest.raises(AnswerError, match=r"roles\.a0\.h0"):
        schema.parse(json.dumps({**good, "roles": {"a0.h0": "negative"}}))
