"""Sentences whose grammaticality depends on the form of one word, in blocks that share no noun and no final verb.

Subject and attractor take both numbers equally often, so whether the sentence is right is the exclusive or of two
words' forms. A pair differs in the deciding word alone.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ground_truth.probes.real.statements import N_BLOCKS, Block, Statement

_PREPOSITIONS = ("near", "behind", "beside", "in front of", "next to")
#: The sentences of `relative` and `reflexive`, with gaps.
RELATIVE = "The <subject> that the <noun> <verb> <verb>."
REFLEXIVE = "The <subject> <preposition> the <noun> <verb> <pronoun>."


@dataclass(frozen=True)
class Words:
    """The words of one block: [word] with both forms, singular first.

    Attributes:
        people: Nouns.
        verbs: Verbs without an object, as they follow a singular and a plural subject.
        transitive: Verbs with one, the same for all blocks.
        past: Verbs with an object in the past tense, the same for all blocks.
    """

    people: Sequence[tuple[str, str]]
    verbs: Sequence[tuple[str, str]]
    transitive: Sequence[tuple[str, str]]
    past: Sequence[str]


#: From words, the numbers of subject and attractor and a counter: the right sentence, the wrong one, entities.
Maker = Callable[[random.Random, Words, tuple[int, int], int], tuple[str, str, tuple[str, ...]]]


def composer(words: Mapping[str, Any], make: Maker) -> Callable[[random.Random, int, int], Block]:
    """A function for `Sentences.compose`.

    Args:
        words: As in ``words.json``.
        make: Makes one pair.
    """

    def compose(rng: random.Random, number: int, pairs: int) -> Block:
        people, verbs = (list(words[name]) for name in ("people", "verbs"))
        rng.shuffle(people)
        rng.shuffle(verbs)
        own = Words(
            people=_block_of(people, number),
            verbs=_block_of(verbs, number),
            transitive=_forms(words["transitive_verbs"]),
            past=words["past_verbs"],
        )
        rng = random.Random(f"{rng.getrandbits(60)} {number}")
        statements = []
        for pair in range(pairs):
            right, wrong, entities = make(rng, own, (pair % 2, pair // 2 % 2), pair // 2)
            statements += [Statement(right, True, pair, entities), Statement(wrong, False, pair, entities)]
        return tuple(statements)

    return compose


def relative(rng: random.Random, words: Words, numbers: tuple[int, int], turn: int) -> tuple[str, str, tuple[str, ...]]:
    """As "The teachers that the boy admires laugh"."""
    subject, other = rng.sample(words.people, 2)
    verb, inner = words.verbs[turn % len(words.verbs)], rng.choice(words.transitive)
    front = f"The {subject[numbers[0]]} that the {other[numbers[1]]} {inner[numbers[1]]}"
    return _with_verb(front, verb, numbers[0], (subject[0], other[0], verb[0]))


def reflexive(
    rng: random.Random, words: Words, numbers: tuple[int, int], turn: int
) -> tuple[str, str, tuple[str, ...]]:
    """As "The teachers near the boy praised themselves"."""
    subject, other = rng.sample(words.people, 2)
    forms = (("himself", "herself")[turn % 2], "themselves")
    front = f"The {subject[numbers[0]]} {rng.choice(_PREPOSITIONS)} the {other[numbers[1]]} {rng.choice(words.past)}"
    return _with_verb(front, forms, numbers[0], (subject[0], other[0]))


def _with_verb(
    front: str, forms: tuple[str, str], number: int, entities: tuple[str, ...]
) -> tuple[str, str, tuple[str, ...]]:
    return f"{front} {forms[number]}.", f"{front} {forms[1 - number]}.", entities


def _block_of(words: Sequence[Sequence[str]], number: int) -> list[tuple[str, str]]:
    size = len(words) // N_BLOCKS
    return _forms(words[number * size : (number + 1) * size])


def _forms(words: Sequence[Sequence[str]]) -> list[tuple[str, str]]:
    return [(one, many) for one, many in words]
