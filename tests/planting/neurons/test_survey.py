"""The sample of the language says how often features hold and what a neuron that follows some would be worth."""

from __future__ import annotations

import pytest
import torch

from scribe_suite.planting.english import TaggedText, vocabulary
from scribe_suite.planting.neurons.features import Feature, Response
from scribe_suite.planting.neurons.measure import variance_explained
from scribe_suite.planting.neurons.survey import CONTEXT, Survey, survey

SMALL = Survey(TaggedText(torch.tensor([[1, 2, 1, 3], [2, 1, 1, 2]]), torch.zeros(2, 4, dtype=torch.long)))
ONE, TWO = Feature("one", tokens=frozenset({1})), Feature("two", tokens=frozenset({2}))


def test_shares_count_positions() -> None:
    assert SMALL.share(ONE) == pytest.approx(4 / 8)
    assert SMALL.share(TWO) == pytest.approx(3 / 8)
    assert SMALL.share(Feature("place", profile=(0.0, 0.5, 0.5, 1.0))) == pytest.approx(0.5)


def test_token_shares_are_those_of_every_token_of_the_vocabulary() -> None:
    assert SMALL.token_shares.shape == (len(vocabulary()),)
    assert SMALL.token_shares[:4].tolist() == pytest.approx([0, 4 / 8, 3 / 8, 1 / 8])
    assert SMALL.token_shares.sum().item() == pytest.approx(1)


@pytest.mark.parametrize("silent", [False, True], ids=["active", "silent"])
def test_what_is_explained_is_what_is_measured_on_models(silent: bool) -> None:
    response = Response(((ONE, 1.0), (Feature("after two", previous_tokens=frozenset({2})), 0.4)), silent)
    for feature in (ONE, TWO, Feature("place", profile=(0.0, 0.5, 0.5, 1.0))):
        wanted = variance_explained(response.on(SMALL.text).flatten()[:, None], SMALL.values(feature)[:, None])
        assert SMALL.explained(response, feature) == pytest.approx(wanted.item(), abs=1e-6)
    assert (SMALL.explained(response, ONE) < 0) == silent


def test_a_response_that_never_changes_is_not_explained() -> None:
    assert SMALL.explained(Response(((Feature("everywhere"), 1.0),)), ONE) == 0.0
    assert SMALL.explained(Response(((ONE, 1.0),)), Feature("never", tokens=frozenset())) == 0.0


def test_the_sample_is_drawn_once_and_large_enough_for_rare_words() -> None:
    assert survey() is survey()
    assert survey().text.tokens.shape[1] == CONTEXT
    assert survey().text.tokens.numel() >= 100_000
