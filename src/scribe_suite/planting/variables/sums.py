"""Plans of models that add up values of tokens: all compute the same function, each along a tree of its own.

The label of a prompt is the sum, modulo the number of values, of the values of tokens in a few slots. Two terms are
added at a time, so a model has intermediate sums: those of the inner nodes of a binary tree over the slots. Every sum
of uniform values is uniform and independent of the others, and all trees give the same labels: inputs and outputs do
not tell which tree a model uses. The model also computes sums of other trees, on which no label depends.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any, Self

import torch
from jaxtyping import Int
from torch import Tensor

from scribe_suite.planting.symmetries import Symmetry
from scribe_suite.planting.variables.plans import N_CTX

#: Numbers of slots, in ascending order.
Sum = tuple[int, ...]
#: Sum -> the two sums, or single slots, that are added to get it.
Parts = Mapping[Sum, tuple[Sum, Sum]]

#: Slots are before this position; heads that carry sums attend to later ones, where all tokens have been read.
FIRST_FREE = 7


@dataclass(frozen=True)
class SumDial:
    """The requirements for a random plan, and for the model that computes it.

    Attributes:
        terms: Number of slots whose values are added.
        values: Number of values.
        d_vocab: Number of tokens.
        carriers: Number of heads that carry each sum; a majority of them decides which value it has.
        other_trees: Number of further trees whose sums are computed without an effect, or None for all sums.
        n_heads: Number of heads per layer.
    """

    terms: int
    values: int
    d_vocab: int
    carriers: int
    other_trees: int | None
    n_heads: int

    @property
    def n_layers(self) -> int:
        """Number of layers: sums of k slots are computed in the MLP of layer k - 2."""
        return self.terms - 1


@dataclass(frozen=True)
class Carrier:
    """A head that moves one sum.

    Attributes:
        of: The sum.
        layer: Its layer.
        head: Its number in the layer.
        position: The position it attends to.
    """

    of: Sum
    layer: int
    head: int
    position: int

    @property
    def name(self) -> str:
        """Its name ``a{layer}.h{head}``."""
        return f"a{self.layer}.h{self.head}"


@dataclass(frozen=True)
class SumPlan:
    """The computation of a model.

    Attributes:
        values: Number of values.
        classes: The class of every token, 0 to ``values - 1``.
        slots: Positions of the tokens that matter.
        maps: For each slot, the value of each class.
        labels: The label of each total.
        parts: All sums that are computed, the total included, with what is added for each.
        carriers: All heads that move sums.
    """

    values: int
    classes: tuple[int, ...]
    slots: tuple[int, ...]
    maps: tuple[tuple[int, ...], ...]
    labels: tuple[int, ...]
    parts: Parts
    carriers: tuple[Carrier, ...]

    @property
    def total(self) -> Sum:
        """The sum over all slots."""
        return tuple(range(len(self.slots)))

    @property
    def used(self) -> tuple[Sum, ...]:
        """The intermediate sums on which labels depend, small ones first."""
        return tuple(sorted(used_sums(self.parts, self.total), key=lambda one: (len(one), one)))

    def positions(self, of: Sum) -> tuple[int, ...]:
        """The positions of the tokens over which a sum runs, in ascending order."""
        return tuple(sorted(self.slots[slot] for slot in of))

    def heads(self, of: Sum) -> tuple[str, ...]:
        """The names of the heads that carry a sum."""
        return tuple(carrier.name for carrier in self.carriers if carrier.of == of)

    def token_values(self) -> Int[Tensor, "slot d_vocab"]:
        """The value of every token in every slot."""
        return torch.tensor(self.maps)[:, torch.tensor(self.classes)]

    def terms(self, prompts: Int[Tensor, "prompt position"]) -> Int[Tensor, "prompt slot"]:
        """The value that is added for every slot."""
        tokens = prompts[:, list(self.slots)]
        return torch.stack([values[column] for values, column in zip(self.token_values(), tokens.T, strict=True)], 1)

    def expected(
        self,
        prompts: Int[Tensor, "prompt position"],
        source: Int[Tensor, "prompt position"] | None = None,
        exchanged: Sum = (),
    ) -> Int[Tensor, " prompt"]:
        """The labels of prompts, where the sum of some slots is that of other prompts."""
        terms = self.terms(prompts)
        if source is not None and exchanged:
            terms[:, list(exchanged)] = self.terms(source)[:, list(exchanged)]
        return torch.tensor(self.labels)[terms.sum(1) % self.values]

    def renamed(self, symmetry: Symmetry) -> SumPlan:
        """The plan with the names of tokens, labels and heads after a symmetry."""
        classes = list(self.classes)
        for old, new in enumerate(symmetry.token_map):
            classes[new] = self.classes[old]
        carriers = tuple(
            replace(one, head=int(symmetry.component(one.name).partition(".h")[2])) for one in self.carriers
        )
        labels = tuple(symmetry.label_map[label] for label in self.labels)
        return replace(self, classes=tuple(classes), carriers=carriers, labels=labels)

    def as_record(self) -> dict[str, Any]:
        """The plan as JSON-safe data; the inverse of `of_record`."""
        return {
            "values": self.values,
            "classes": list(self.classes),
            "slots": list(self.slots),
            "maps": [list(one) for one in self.maps],
            "labels": list(self.labels),
            "parts": [[list(of), list(left), list(right)] for of, (left, right) in self.parts.items()],
            "carriers": [[list(one.of), one.layer, one.head, one.position] for one in self.carriers],
        }

    @classmethod
    def of_record(cls, record: Mapping[str, Any]) -> Self:
        """The inverse of `as_record`."""
        return cls(
            values=record["values"],
            classes=tuple(record["classes"]),
            slots=tuple(record["slots"]),
            maps=tuple(tuple(one) for one in record["maps"]),
            labels=tuple(record["labels"]),
            parts={tuple(of): (tuple(left), tuple(right)) for of, left, right in record["parts"]},
            carriers=tuple(Carrier(tuple(of), *rest) for of, *rest in record["carriers"]),
        )


def used_sums(parts: Parts, of: Sum) -> set[Sum]:
    """The sums of two or more slots that are added up, directly or indirectly, to get a sum."""
    inner = [part for part in parts[of] if len(part) > 1]
    return {*inner}.union(*(used_sums(parts, part) for part in inner))


def draw_tree(terms: Sequence[int], rng: random.Random) -> dict[Sum, tuple[Sum, Sum]]:
    """A random binary tree over slots, all with the same probability: sum -> what is added for it."""
    first, *others = terms
    leaves: list[int] = [first]
    tree: dict[Sum, tuple[Sum, Sum]] = {}
    for slot in others:
        # a further leaf goes to any edge of the tree, the one above the root included (Remy's argument)
        edge = rng.choice([(leaf,) for leaf in leaves] + list(tree))
        grown: dict[Sum, tuple[Sum, Sum]] = {}
        for of, (left, right) in tree.items():
            above = set(edge) < set(of)
            lower = [_with(part, slot) if above and set(edge) <= set(part) else part for part in (left, right)]
            grown[_with(of, slot) if above else of] = (lower[0], lower[1])
        grown[_with(edge, slot)] = (edge, (slot,))
        tree, leaves = grown, [*leaves, slot]
    return dict(sorted(tree.items(), key=lambda item: (len(item[0]), item[0])))


def _with(of: Sum, slot: int) -> Sum:
    return tuple(sorted({*of, slot}))


def draw_sum_plan(dial: SumDial, seed: int) -> SumPlan:
    """Draw a random plan; deterministic for a seed."""
    rng = random.Random(seed)
    classes = [token % dial.values for token in range(dial.d_vocab)]
    rng.shuffle(classes)
    slots = rng.sample(range(FIRST_FREE), dial.terms)
    while True:  # until no layer has more sums than heads
        parts = _draw_parts(dial, rng)
        carriers = _place(dial, parts, rng)
        if carriers is not None:
            break
    return SumPlan(
        values=dial.values,
        classes=tuple(classes),
        slots=tuple(slots),
        maps=tuple(tuple(rng.sample(range(dial.values), dial.values)) for _ in slots),
        labels=tuple(rng.sample(range(dial.values), dial.values)),
        parts=parts,
        carriers=carriers,
    )


def _draw_parts(dial: SumDial, rng: random.Random) -> dict[Sum, tuple[Sum, Sum]]:
    terms = range(dial.terms)
    parts = draw_tree(terms, rng)
    if dial.other_trees is None:
        for size in range(2, dial.terms):
            for of in combinations(terms, size):
                slot = rng.choice(of)
                parts.setdefault(of, (tuple(one for one in of if one != slot), (slot,)))
        return parts
    for _ in range(dial.other_trees):
        for of, added in draw_tree(terms, rng).items():
            parts.setdefault(of, added)
    return parts


def _place(dial: SumDial, parts: Parts, rng: random.Random) -> tuple[Carrier, ...] | None:
    """Heads for all sums but the total, or None if they are too few."""
    carriers: list[Carrier] = []
    latest: dict[Sum, int] = {}
    heads = dict.fromkeys(range(1, dial.n_layers), 0)
    for of in sorted((of for of in parts if len(of) < dial.terms), key=lambda of: (len(of), of)):
        layer = len(of) - 1
        if heads[layer] + dial.carriers > dial.n_heads:
            return None
        # a part has been carried to a position from its carriers' positions on
        ready = max([FIRST_FREE, *(latest[part] for part in parts[of] if len(part) > 1)])
        positions = [rng.randrange(ready, N_CTX) for _ in range(dial.carriers)]
        latest[of] = max(positions)
        carriers += [Carrier(of, layer, head, position) for head, position in enumerate(positions, heads[layer])]
        heads[layer] += dial.carriers
    return tuple(carriers)
