"""What an answer is worth that does not look at the model: the zero of the skill of ``circuits/edges``.

Such an answer may know which nodes there are, and how often edges of each class are in a key. It takes all edges of
some classes. A class is what an edge's name tells, whatever the numbers of heads: what writes, with which input it is
read, and how many layers the two are apart (from the embedding: in which layer it is read).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from statistics import mean

from scribe_suite.planting.circuits.blocks import layer_and_head
from scribe_suite.planting.circuits.wiring.edges import EMBED, Edge, edges_between
from scribe_suite.scoring.sets import f1

#: Layers apart beyond which no difference is made, and the same for the layer in which the embedding is read.
_FAR, _DEEP = 4, 3

EdgeClass = tuple[str, str, int]


def class_of(edge: Edge) -> EdgeClass:
    """What the name of an edge tells."""
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
    """The best rule of this kind, in hindsight.

    Attributes:
        classes: It takes all edges of these.
        chance: Its mean F1.
    """

    classes: frozenset[EdgeClass]
    chance: float

    @classmethod
    def over(cls, circuits: Sequence[Wired]) -> BlindRule:
        """Find it.

        Classes are taken in the order of how often their edges are in the key; the number of them is the best one.
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
        """What it answers, by name."""
        return frozenset(str(edge) for edge in edges_between(nodes) if class_of(edge) in self.classes)


def _f1_of(rule: frozenset[EdgeClass], one: Wired) -> float:
    taken = frozenset(str(edge) for edge in edges_between(one.nodes) if class_of(edge) in rule)
    return f1(taken, frozenset(map(str, one.key)))
