"""Predictions from counting alone: the baselines that a language model must beat before its neurons mean anything."""

from __future__ import annotations

import numpy as np
from jaxtyping import Int

_BACK_OFF = (0.3, 1.0, 3.0, 10.0, 30.0, 100.0)


def unigram_loss(counted: Int[np.ndarray, "rows pos"], held_out: Int[np.ndarray, "rows2 pos"], d_vocab: int) -> float:
    """Cross-entropy in nats of every held-out token but the first of its text, predicted by its frequency alone.

    Args:
        counted: Texts that frequencies are taken from (add-one smoothed).
        held_out: Texts to predict.
        d_vocab: Size of the vocabulary.
    """
    return float(-np.log(_frequencies(counted, d_vocab)[held_out[:, 1:]]).mean())


def bigram_loss(counted: Int[np.ndarray, "rows pos"], held_out: Int[np.ndarray, "rows2 pos"], d_vocab: int) -> float:
    """The same from the token before: P(b|a) = (n(ab) + k P(b)) / (n(a) + k), with the k that suits `held_out` best.

    Choosing k on the held-out text favours the baseline, never the model it is compared with.

    Args:
        counted: Texts that pairs are counted in.
        held_out: Texts to predict.
        d_vocab: Size of the vocabulary.
    """
    pairs = np.bincount((counted[:, :-1] * d_vocab + counted[:, 1:]).ravel(), minlength=d_vocab**2)
    firsts = np.bincount(counted[:, :-1].ravel(), minlength=d_vocab)
    before, after = held_out[:, :-1].ravel(), held_out[:, 1:].ravel()
    together, alone = pairs[before * d_vocab + after], firsts[before]
    prior = _frequencies(counted, d_vocab)[after]
    return min(float(-np.log((together + k * prior) / (alone + k)).mean()) for k in _BACK_OFF)


def _frequencies(counted: Int[np.ndarray, "rows pos"], d_vocab: int) -> np.ndarray:
    counts = np.bincount(counted[:, 1:].ravel(), minlength=d_vocab) + 1
    shares: np.ndarray = counts / counts.sum()
    return shares
