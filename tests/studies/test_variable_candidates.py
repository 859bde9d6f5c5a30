"""Candidates for tasks have the form that the measurement of real variables needs."""

from __future__ import annotations

import random

import pytest

from studies.variable_candidates import CANDIDATES
from tests.ground_truth.circuits.real_circuits import WordTokenizer

every_candidate = pytest.mark.parametrize("name", CANDIDATES)


@every_candidate
@pytest.mark.parametrize("side", ["public", "hidden"])
def test_fours_differ_in_one_word_for_the_first_property_and_have_a_next_token_each(name, side):
    behaviour = CANDIDATES[name]
    for seed in range(50):
        drawn = behaviour.draw(random.Random(seed), getattr(behaviour, side))
        assert len({text for row in drawn["options"] for text in row}) == 4
        assert drawn["prompts"][0] != drawn["prompts"][1]
        for context in drawn["prompts"]:
            for form in (0, 1):
                pairs = zip(context[0][form].split(), context[1][form].split(), strict=True)
                assert sum(one != two for one, two in pairs) == 1


@every_candidate
def test_prompts_are_aligned_and_hidden_ones_are_not_public(name):
    behaviour, tokenizer = CANDIDATES[name], WordTokenizer()
    public, hidden = (behaviour.prompts(frames, 10, 0, tokenizer) for frames in (behaviour.public, behaviour.hidden))
    assert public.tokens.shape == hidden.tokens.shape
    assert not set(behaviour.public["templates"]) & set(behaviour.hidden["templates"])


@pytest.mark.real_models
@every_candidate
def test_the_model_is_right_about_the_first_property(name):
    import torch

    from scribe_suite.measurements import REAL_MODEL
    from scribe_suite.models.description import tokenizer_of
    from scribe_suite.models.evaluator import evaluator_model
    from scribe_suite.scoring.crossed_prompts import Exchanges
    from scribe_suite.scoring.real_subspace import log_odds

    behaviour = CANDIDATES[name]
    prompts = behaviour.prompts(behaviour.hidden, 4, 0, tokenizer_of(REAL_MODEL))
    odds = log_odds(Exchanges(evaluator_model(REAL_MODEL), prompts, -1, [29], ["resid_post"]).before, 0)[:, 0]
    assert ((odds > 0) == (torch.arange(len(odds)) // 2 % 2 > 0)).double().mean() >= 0.75
