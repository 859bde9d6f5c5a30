"""What lists of tokens reach: all there is where one token decides, and less where two have to come together."""

from __future__ import annotations

import pytest
import torch

from scribe_suite.planting.english import sample_text, vocabulary
from scribe_suite.planting.neurons.compound.atoms import atoms
from scribe_suite.planting.neurons.compound.drawing import judged
from scribe_suite.planting.neurons.compound.rules import Alternative, Condition, Rule
from scribe_suite.planting.neurons.compound.token_lists import best_list

ATOMS = {atom.name: atom.tokens for atom in atoms()}


@pytest.fixture(scope="module")
def texts() -> tuple[torch.Tensor, torch.Tensor]:
    tokens = sample_text(31, 200, 64).tokens
    return tokens[:100], tokens[100:]


def reached(rule: Rule, texts: tuple[torch.Tensor, torch.Tensor], reach: int) -> float:
    fit, other = texts
    return best_list(judged(rule, fit), judged(rule, other), reach)


def test_a_list_is_all_there_is_to_a_condition_on_one_place(texts):
    rule = Rule((Alternative((Condition("determiner", ATOMS["determiner"], (1,)),)),))
    assert reached(rule, texts, 1) > 0.95
    assert reached(rule, texts, 0) < 0.9


def test_a_list_is_not_all_there_is_to_a_conjunction(texts):
    here = Condition("s", ATOMS["word that begins with s"], (0,))
    before = Condition("determiner", ATOMS["determiner"], (1,))
    assert 0.5 < reached(Rule((Alternative((here, before)),)), texts, 3) < 0.93


def test_marks_are_no_words():
    marks = {token for token in range(len(vocabulary())) if vocabulary().word(token) is None}
    assert marks
    assert not [atom.name for atom in atoms() if atom.tokens & marks]
