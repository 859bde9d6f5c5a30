"""What answers are worth that were made without looking at a model: the zero of the skill of circuit tasks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from scribe_suite.scoring.normalise import expected_score
from scribe_suite.scoring.sets import best_fixed_set, f1

#: Instances over which a blind answer is judged.
INSTANCES = 200

Key = frozenset[str]


@dataclass(frozen=True)
class BlindAnswer:
    """The best fixed answer over many instances.

    Attributes:
        keys: The right answers of these instances.
        answer: The one that is best on average.
        chance: Its expected F1.
    """

    keys: tuple[Key, ...]
    answer: Key
    chance: float

    @classmethod
    def over(cls, key_of_instance: Callable[[int], Key], part: Callable[[str], str] = str) -> BlindAnswer:
        """Find it.

        Args:
            key_of_instance: The right answer of the instance of a seed, made without its prompts and weights.
            part: See `best_fixed_set`.
        """
        keys = tuple(key_of_instance(seed) for seed in range(INSTANCES))
        answer = best_fixed_set(keys, part)
        return cls(keys, answer, expected_score(answer, keys, f1))
