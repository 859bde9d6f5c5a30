"""The score of answers that do not use the model: skill 0 of ``circuits/edges``.

Such an answer may use the list of nodes and how often edges of each class are in a key. It consists of all edges of
some classes. The class of an edge follows from its name, without the numbers of heads: the kind of the writer, the
input that reads it, and the distance of the two in layers (from the embedding: the layer of the reader).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from statistics import mean

from scribe_suite.planting.circuits.blocks import layer_and_head
from scribe_suite.planting.circuits.wiring.edges import EMBED, Edge, edges_between
from scribe_suite.scoring.sets import f1

#: Largest distance in layers that classes distinguish, and the same for the layer in which the embedding is read.
_FAR, _DEEP = 4, 3

EdgeClass = tuple[str, str, int]


def class_of(edge: Edge) -> EdgeClass:
    """The class of an edge, from its name."""
    layer, _ = layer_and_head(edge.reader)
    if edge.writer == EMBED:
        return (EMBED, edge.role, min(layer, _DEEP))
    return (edge.writer[0], edge.role, min(layer - layer_and_head(edge.writer)[0], _FAR))


@dataclass(frozen=True)
class Wired:
    """A circuit: its nodes and its edges."""

    nodes: frozenset[str]
    key: frozenset[Edge]


@dataclass(frozen=True)
class BlindRule:
    """The best rule of this kind, chosen with all keys known.

    Attributes:
        classes: Classes whose edges it submits.
        chance: Its mean F1.
    """

    classes: frozenset[EdgeClass]
    chance: float

    @classmethod
    def over(cls, circuits: Sequence[Wired]) -> BlindRule:
        """Find the best rule.

        Classes are added in the order of how often their edges are in the key; the best number of classes is chosen.
        """
        seen, right = Counter[EdgeClass](), Counter[EdgeClass]()
        for one in circuits:
            seen.update(map(class_of, edges_between(one.nodes)))
            right.update(map(class_of, one.key))
        ranked = sorted(right, key=lambda each: (-right[each] / seen[each], each))
        rules = [frozenset(ranked[:count]) for count in range(1, len(ranked) + 1)]
        scored = [(mean(_f1_of(rule, one) for one in circuits), rule) for rule in rules]
        chance, classes = max(scored, key=lambda pair: pair[0])
        return cls(classes, chance)

    def edges(self, nodes: Collection[str]) -> frozenset[str]:
        """The rule's answer for these nodes, as names of edges."""
        return frozenset(str(edge) for edge in edges_between(nodes) if class_of(edge) in self.classes)


def _f1_of(rule: frozenset[EdgeClass], one: Wired) -> float:
    taken = frozenset(str(edge) for edge in edges_between(one.nodes) if class_of(edge) in rule)
    return f1(taken, frozenset(map(str, one.key)))
