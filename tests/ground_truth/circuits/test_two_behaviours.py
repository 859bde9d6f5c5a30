"""circuits/two_behaviours: which behaviour a prompt shows, and what serves the one that is asked for."""

from __future__ import annotations

import torch

from ground_truth.circuits.planted.recall import asked_word
from ground_truth.circuits.two_behaviours import OverruledRecall, TwoBehaviours, is_asked
from scribe_suite.planting.circuits.causal import RenamedModel, circuit_of, interchanged
from scribe_suite.planting.symmetries import draw_symmetry

TASK = TwoBehaviours()
CAUSAL = OverruledRecall(3)


def prompts(n=2000):
    return CAUSAL.sample(n, torch.Generator().manual_seed(0))


def patched_labels(base, source, *variables):
    chosen = torch.tensor([name in variables for name in CAUSAL.variables]).expand(len(base), -1)
    return interchanged(CAUSAL, base, source, chosen).labels[:, 0]


def test_one_prompt_in_five_shows_the_behaviour_that_is_asked_for():
    asked = is_asked(CAUSAL, prompts())
    assert 0.17 < asked.float().mean() < 0.23
    labels = CAUSAL.run(prompts()).labels[:, 0]
    assert torch.equal(labels >= 32, asked)


def test_other_prompts_have_the_code_of_the_word():
    tokens = prompts()
    other = tokens[~is_asked(CAUSAL, tokens)]
    code = (CAUSAL._code[asked_word(other)] * 2 ** torch.arange(5)).sum(1)
    assert torch.equal(CAUSAL.run(other).labels[:, 0], code)


def test_on_asked_prompts_only_the_entry_and_the_first_bit_matter():
    base, source = prompts(4000).chunk(2)
    asked = is_asked(CAUSAL, base)
    base, source = base[asked], source[asked]
    clean = CAUSAL.run(base).labels[:, 0]
    assert torch.equal(patched_labels(base, source, "bit1", "bit2", "bit3", "bit4"), clean)
    assert 0.3 < (patched_labels(base, source, "bit0") != clean).float().mean() < 0.7
    assert (patched_labels(base, source, "entry") != clean).float().mean() > 0.8


def test_the_key_is_the_asked_behaviours_circuit_and_hidden_pairs_show_it():
    plan = TASK.plan(0)
    generator = torch.Generator().manual_seed(1)
    assert TASK.key(plan.correspondence) == {*plan.correspondence["bit0"], *plan.correspondence["entry"]}
    assert len(circuit_of(plan.correspondence)) == 6
    hidden = TASK.hidden_pairs(plan.causal, 300, generator)
    assert len(hidden.base) == len(hidden.source) == 300
    assert is_asked(plan.causal, hidden.base).all()
    assert 0.1 < is_asked(plan.causal, hidden.source).float().mean() < 0.3


def test_a_renamed_model_shows_the_same_behaviours():
    plan = TASK.plan(0)
    symmetry = draw_symmetry(plan.shape.config(), 5)
    tokens = plan.causal.sample(300, torch.Generator().manual_seed(2))
    renamed = RenamedModel(plan.causal, symmetry)
    assert torch.equal(is_asked(renamed, symmetry.tokens(tokens)), is_asked(plan.causal, tokens))
