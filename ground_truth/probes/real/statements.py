"""Labelled English statements in blocks that share no entity, for the probe tasks on a real model.

A `Question` is a property of statements, such as "the city named lies in the country named". It draws five blocks of
statements from a seed; an entity (a city, a number, a noun) occurs in one block only. Three blocks are public, two are
hidden. Statements come in pairs, a true and a false one about the same entities, and both members are in one block.
"""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Int

#: Blocks of statements that are drawn for an instance, and how many of them are public.
N_BLOCKS, N_PUBLIC_BLOCKS = 5, 3
#: At most; 240 statements are public then, and 160 hidden.
PAIRS_PER_BLOCK = 40
#: In the hidden blocks of an instance, where sentences can be made in any number. With 40, another sample of them
#: changed a probe's accuracy by 7 % of its range (docs/reference/discriminability.md).
HIDDEN_PAIRS_PER_BLOCK = 80


@dataclass(frozen=True)
class Statement:
    """One statement.

    Attributes:
        text: English, one sentence with a full stop.
        label: Whether it has the property.
        pair: Number of the pair in its block; the other member has the other label.
        entities: The entities it is about, which occur in no other block.
    """

    text: str
    label: bool
    pair: int
    entities: tuple[str, ...]


Block = tuple[Statement, ...]


@dataclass(frozen=True)
class StatementRows:
    """The statements of some blocks in one row, as arrays.

    Attributes:
        texts: The statements.
        labels: Bool[statement].
        blocks: Int[statement].
        pairs: Int[statement]; over all blocks.
        entities: The entities of each statement.
    """

    texts: tuple[str, ...]
    labels: Bool[np.ndarray, " statement"]
    blocks: Int[np.ndarray, " statement"]
    pairs: Int[np.ndarray, " statement"]
    entities: tuple[tuple[str, ...], ...]

    @classmethod
    def of(cls, blocks: Sequence[Block]) -> StatementRows:
        """The statements of some blocks, one after the other."""
        rows = [(number, statement) for number, block in enumerate(blocks) for statement in block]
        pairs: dict[tuple[int, int], int] = {}
        for number, statement in rows:
            pairs.setdefault((number, statement.pair), len(pairs))
        return cls(
            texts=tuple(statement.text for _, statement in rows),
            labels=np.array([statement.label for _, statement in rows]),
            blocks=np.array([number for number, _ in rows]),
            pairs=np.array([pairs[number, statement.pair] for number, statement in rows]),
            entities=tuple(statement.entities for _, statement in rows),
        )

    def reordered(self, order: Sequence[int]) -> StatementRows:
        """The same statements in another order."""
        rows = list(order)
        return StatementRows(
            texts=tuple(self.texts[row] for row in rows),
            labels=self.labels[rows],
            blocks=self.blocks[rows],
            pairs=self.pairs[rows],
            entities=tuple(self.entities[row] for row in rows),
        )


@dataclass(frozen=True)
class Question(ABC):
    """A property that a linear probe may or may not be able to read.

    Attributes:
        name: Short, of letters, digits and ``_``.
        asks: The property, as a clause after "whether": "X lies in Y".
    """

    name: str
    asks: str

    @property
    def wording(self) -> str:
        """Its visible form without entities: the property and the sentences around the entities."""
        return " / ".join((self.asks, *self.frames()))

    @abstractmethod
    def frames(self) -> Sequence[str]:
        """The sentences with gaps for what changes from statement to statement."""

    @abstractmethod
    def blocks(self, seed: int | str) -> list[Block]:
        """Five blocks of statements; the same seed gives the same ones."""

    def instance_blocks(self, seed: int | str) -> list[Block]:
        """The same for an instance, with larger hidden blocks where more statements are available."""
        return self.blocks(seed)

    def random(self, seed: int | str) -> random.Random:
        """A generator for this question alone."""
        return random.Random(f"{self.name} {seed}")


@dataclass(frozen=True)
class Relation(Question):
    """As "The capital of X is Y": every entity with its own value and with that of another entity of its block.

    Within a block every value is named equally often in true and false statements, so that no single word predicts the
    truth.

    Attributes:
        values: Entity -> value.
        templates: With ``{x}`` and ``{y}``; a pair has one of them.
        negated: The negated templates; where there are any, half of all pairs use them.
        also: Entity -> further values that are true of it, as of a city with namesakes; they are never given as false.
    """

    values: Mapping[str, str]
    templates: tuple[str, ...]
    negated: tuple[str, ...] = ()
    also: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def frames(self) -> Sequence[str]:
        """See `Question.frames`."""
        return (*self.templates, *self.negated)

    def blocks(self, seed: int | str) -> list[Block]:
        """See `Question.blocks`."""
        rng = self.random(seed)
        entities = sorted(self.values)
        rng.shuffle(entities)
        size = min(PAIRS_PER_BLOCK, len(entities) // N_BLOCKS)
        parts = [entities[number * size : (number + 1) * size] for number in range(N_BLOCKS)]
        return [self._block(part, rng) for part in parts]

    def _block(self, entities: Sequence[str], rng: random.Random) -> Block:
        kept = without_majority(entities, self.values)
        wrong = self._wrong_values(kept, rng)
        statements = []
        for pair, entity in enumerate(kept):
            denied = bool(self.negated) and rng.random() < 0.5
            template = rng.choice(self.negated if denied else self.templates)
            for value, true in ((self.values[entity], True), (wrong[entity], False)):
                text = sentence(template.format(x=entity, y=value))
                statements.append(Statement(text, true != denied, pair, (entity,)))
        return tuple(statements)

    def _wrong_values(self, entities: Sequence[str], rng: random.Random) -> dict[str, str]:
        """As `other_values`, none of which is true of its entity; drawn again until it is so."""
        while True:
            wrong = other_values(entities, self.values, rng)
            if not any(value in self.also.get(entity, ()) for entity, value in wrong.items()):
                return wrong


@dataclass(frozen=True)
class Comparison(Question):
    """As "X is larger than Y": pairs of entities in both orders, one of them true.

    Only entities that are near in the order of their block are paired: else the size of one of them alone would
    predict most comparisons.

    Attributes:
        keys: Entity -> its size.
        template: With ``{x}`` and ``{y}``; true where the key of x is the larger.
        negated: The negated template; where there is one, half of all pairs use it.
        block_size: Entities per block.
        near: The least and the largest distance in rank between the two of a pair.
        apart: The least difference of keys within a pair, so that no comparison depends on the source of the figures.
    """

    keys: Mapping[str, float]
    template: str
    negated: str = ""
    block_size: int = 14
    near: tuple[int, int] = (1, 4)
    apart: float = 0.0

    def frames(self) -> Sequence[str]:
        """See `Question.frames`."""
        return (self.template, self.negated) if self.negated else (self.template,)

    def blocks(self, seed: int | str) -> list[Block]:
        """See `Question.blocks`."""
        rng = self.random(seed)
        entities = sorted(self.keys)
        rng.shuffle(entities)
        parts = [entities[n * self.block_size : (n + 1) * self.block_size] for n in range(N_BLOCKS)]
        return [self._block(part, rng) for part in parts]

    def _block(self, entities: Sequence[str], rng: random.Random) -> Block:
        order = sorted(entities, key=lambda entity: (self.keys[entity], entity))
        least, largest = self.near
        pairs = [
            (low, high)
            for rank, low in enumerate(order)
            for high in order[rank + least : rank + largest + 1]
            if self.keys[low] < self.keys[high] and self.keys[high] - self.keys[low] >= self.apart
        ]
        chosen = rng.sample(pairs, min(PAIRS_PER_BLOCK, len(pairs)))
        statements = []
        for number, (low, high) in enumerate(chosen):
            denied = bool(self.negated) and rng.random() < 0.5
            template = self.negated if denied else self.template
            for first, second in ((high, low), (low, high)):
                text = sentence(template.format(x=first, y=second))
                statements.append(Statement(text, (first == high) != denied, number, (low, high)))
        return tuple(statements)


@dataclass(frozen=True)
class Sentences(Question):
    """Sentences that are right or wrong by the form of one word.

    Attributes:
        frame: The sentence with gaps for its words.
        compose: Makes a block from a generator, the number of the block and its number of pairs.
    """

    frame: str
    compose: Callable[[random.Random, int, int], Block]

    def frames(self) -> Sequence[str]:
        """See `Question.frames`."""
        return (self.frame,)

    def blocks(self, seed: int | str) -> list[Block]:
        """See `Question.blocks`."""
        return self._blocks(seed, hidden=PAIRS_PER_BLOCK)

    def instance_blocks(self, seed: int | str) -> list[Block]:
        """See `Question.instance_blocks`."""
        return self._blocks(seed, hidden=HIDDEN_PAIRS_PER_BLOCK)

    def _blocks(self, seed: int | str, *, hidden: int) -> list[Block]:
        base = self.random(seed).getrandbits(60)
        sizes = [PAIRS_PER_BLOCK] * N_PUBLIC_BLOCKS + [hidden] * (N_BLOCKS - N_PUBLIC_BLOCKS)
        return [self.compose(random.Random(base), number, pairs) for number, pairs in enumerate(sizes)]


def sentence(text: str) -> str:
    """With a capital letter in front."""
    return text[0].upper() + text[1:]


def without_majority(entities: Sequence[str], values: Mapping[str, str]) -> list[str]:
    """Leave out the last entities of a value that more than half of all have: the others could not balance it."""
    kept = list(entities)
    while kept:
        value, count = Counter(values[entity] for entity in kept).most_common(1)[0]
        if 2 * count <= len(kept):
            break
        kept.remove(next(entity for entity in reversed(kept) if values[entity] == value))
    return kept


def other_values(entities: Sequence[str], values: Mapping[str, str], rng: random.Random) -> dict[str, str]:
    """A value for every entity that is not its own; every value is given as often as entities have it.

    Entities in the order of their values, moved on by the size of the largest group: no entity gets its own value.

    Raises:
        ValueError: When more than half of the entities have one value.
    """
    groups: dict[str, list[str]] = {}
    for entity in entities:
        groups.setdefault(values[entity], []).append(entity)
    largest = max(map(len, groups.values()))
    if 2 * largest > len(entities):
        raise ValueError("more than half of the entities have one value: use `without_majority` first")
    named = sorted(groups)
    rng.shuffle(named)
    order = [entity for value in named for entity in rng.sample(groups[value], len(groups[value]))]
    moved = order[largest:] + order[:largest]
    return {entity: values[other] for entity, other in zip(order, moved, strict=True)}
