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
        every = [Counter(map(class_of, edges_between(one.nodes))) for one in circuits]
        right = [Counter(map(class_of, one.key)) for one in circuits]
        seen, hit = sum(every, Counter[EdgeClass]()), sum(right, Counter[EdgeClass]())
        ranked = sorted(hit, key=lambda each: (-hit[each] / seen[each], each))
        taken, hits = [0] * len(circuits), [0] * len(circuits)
        chance, best = 0.0, 0
        for count, added in enumerate(ranked, 1):
            taken = [before + own[added] for before, own in zip(taken, every, strict=True)]
            hits = [before + own[added] for before, own in zip(hits, right, strict=True)]
            rows = zip(hits, taken, circuits, strict=True)
            chance, best = max((chance, best), (mean(2 * h / (t + len(one.key)) for h, t, one in rows), count))
        return cls(frozenset(ranked[:best]), chance)

    def edges(self, nodes: Collection[str]) -> frozenset[str]:
        """The rule's answer for these nodes, as names of edges."""
        return frozenset(str(edge) for edge in edges_between(nodes) if class_of(edge) in self.classes)
