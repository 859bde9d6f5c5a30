from __future__ import annotations

import numpy as np
import pytest

from scribe_suite.planting.neurons.ngrams import bigram_loss, unigram_loss

RNG = np.random.default_rng(0)


def test_uniform_tokens_cost_the_log_of_their_number() -> None:
    counted, held_out = RNG.integers(0, 8, (4000, 16)), RNG.integers(0, 8, (500, 16))
    assert unigram_loss(counted, held_out, 8) == pytest.approx(np.log(8), abs=0.01)
    assert bigram_loss(counted, held_out, 8) == pytest.approx(np.log(8), abs=0.01)


def test_unigrams_reach_the_entropy_of_skewed_tokens() -> None:
    shares = np.array([0.7, 0.2, 0.1])
    counted, held_out = RNG.choice(3, (4000, 16), p=shares), RNG.choice(3, (2000, 16), p=shares)
    assert unigram_loss(counted, held_out, 3) == pytest.approx(-(shares * np.log(shares)).sum(), abs=0.02)


def test_bigrams_see_a_cycle_that_unigrams_do_not() -> None:
    texts = (RNG.integers(0, 5, (500, 1)) + np.arange(12)) % 5
    assert bigram_loss(texts, texts, 5) < 0.01
    assert unigram_loss(texts, texts, 5) == pytest.approx(np.log(5), abs=0.02)


def test_what_was_never_counted_costs_a_finite_amount() -> None:
    counted, held_out = np.zeros((10, 5), dtype=np.int64), np.full((3, 5), 2)
    assert 0 < unigram_loss(counted, held_out, 3) < 10
    assert 0 < bigram_loss(counted, held_out, 3) < 20
