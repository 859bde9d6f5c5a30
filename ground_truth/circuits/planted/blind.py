"""What answers are worth that were made without looking at a model: the zero of the skill of circuit tasks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from scribe_suite.scoring.normalise import best_blind_answer, expected_score
from scribe_suite.scoring.sets import f1

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
    def over(cls, key_of_instance: Callable[[int], Key], groups: Sequence[Sequence[str]]) -> BlindAnswer:
        """Find it.

        Args:
            key_of_instance: The right answer of the instance of a seed, made without its prompts and weights.
            groups: Elements of answers that somebody would submit together.
        """
        keys = tuple(key_of_instance(seed) for seed in range(INSTANCES))
        answer = best_blind_answer(keys, groups, f1)
        return cls(keys, answer, expected_score(answer, keys, f1))


def groups_of_nodes(nodes: Sequence[str]) -> list[list[str]]:
    """All heads, all MLPs, and all nodes of each layer."""
    layers: dict[str, list[str]] = {}
    for node in nodes:
        layers.setdefault(node[1:].split(".")[0], []).append(node)
    heads, mlps = ([node for node in nodes if node[0] == kind] for kind in "am")
    return [heads, mlps, *layers.values()]
