"""A lower bound on the number of experiments: bits of an answer against bits per experiment.

The argument is Fano's inequality for good enough rather than exact answers (Duchi and Wainwright 2013, arXiv
1311.2669): let no fixed answer be good enough for more than a share g of all truths, which are a priori equally
probable. With I bits of information, answers are good enough in a share of at most (I + 1) / log2(1 / g) of all
instances, however experiments are chosen and used.
"""

from __future__ import annotations

import math

#: Share of the instances that a method must solve for its spend to count as sufficient.
ENOUGH = 0.9


def bits_of_set(universe: int, size: int, least_f1: float) -> float:
    """log2(1 / g) for a set of known size and answers with at least a given F1.

    Args:
        universe: The number of elements to choose from.
        size: The size of the right set.
        least_f1: The F1 from which an answer is good enough.

    Raises:
        ValueError: When there is no such set.
    """
    if not 0 < size <= universe:
        raise ValueError(f"no set of {size} among {universe}")
    good = max(_good(universe, size, answer, least_f1) for answer in range(1, universe + 1))
    return math.log2(math.comb(universe, size) / good) if good else math.inf


def least_uses(bits: float, bits_each: float) -> int:
    """The least number of experiments that return at most so many bits each; 0 where there is no bound.

    Args:
        bits: The bits that an answer needs.
        bits_each: The most bits that one experiment returns.
    """
    return max(0, math.ceil((ENOUGH * bits - 1) / bits_each))


def _good(universe: int, size: int, answer: int, least_f1: float) -> int:
    """For how many sets an answer of a given size is good enough."""
    return sum(
        math.comb(answer, hits) * math.comb(universe - answer, size - hits)
        for hits in range(min(answer, size) + 1)
        if 2 * hits >= least_f1 * (answer + size) - 1e-9 and size - hits <= universe - answer
    )
