"""Converts a raw score to skill: 0 is the best answer that ignores the model, 1 is the reference solution."""

from __future__ import annotations

from collections.abc import Callable, Sequence

#: A reference that beats chance by less than this can't normalise anything.
SMALLEST_RANGE = 0.02


def normalised_skill(score: float, chance: float, reference: float) -> float:
    """(score - chance) / (reference - chance), limited to [-1, 1].

    The limits keep one very wrong answer from outweighing many right ones in a mean: where the reference is close to
    chance the raw quotient is unbounded below.

    Args:
        score: Primary metric of the answer.
        chance: The same metric of the best answer that ignores the model, on the same instance.
        reference: The same metric of the reference solution, on the same instance.

    Raises:
        ValueError: When reference - chance is below `SMALLEST_RANGE`, where skill is indistinguishable from luck.
    """
    if reference - chance < SMALLEST_RANGE:
        raise ValueError(f"the reference ({reference:.3f}) does not beat chance ({chance:.3f}); skill is undefined")
    return max(-1.0, min(1.0, (score - chance) / (reference - chance)))


def expected_score(
    answer: frozenset[str],
    keys: Sequence[frozenset[str]],
    measure: Callable[[frozenset[str], frozenset[str]], float],
) -> float:
    """The mean score of one fixed answer over the keys of many instances."""
    return sum(measure(answer, key) for key in keys) / len(keys)
