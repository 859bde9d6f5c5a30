"""The score of answers that do not use the model: skill 0 of circuit tasks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from scribe_suite.scoring.normalise import expected_score
from scribe_suite.scoring.sets import best_fixed_set, f1

#: Number of instances over which a blind answer is scored.
INSTANCES = 200

Key = frozenset[str]


@dataclass(frozen=True)
class BlindAnswer:
    """The best fixed answer over many instances.

    Attributes:
        keys: The right answers of these instances.
        answer: The answer that is best on average.
        chance: Its expected F1.
    """

    keys: tuple[Key, ...]
    answer: Key
    chance: float

    @classmethod
    def over(cls, key_of_instance: Callable[[int], Key], part: Callable[[str], str] = str) -> BlindAnswer:
        """Find the best fixed answer.

        Args:
            key_of_instance: Returns the right answer of the instance of a seed, without its prompts and weights.
            part: See `best_fixed_set`.
        """
        keys = tuple(key_of_instance(seed) for seed in range(INSTANCES))
        answer = best_fixed_set(keys, part)
        return cls(keys, answer, expected_score(answer, keys, f1))
