"""Places copies of a circuit's nodes in all nodes of kinds that the circuit has.

Most models contain the whole circuit several times. The remaining nodes are filled with single copies of nodes which
read, as their originals do, copies of the nodes before them. Nothing but the unembedding tells one copy of the circuit
from another.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch

from scribe_suite.planting.circuits.blocks import layer_and_head
from scribe_suite.planting.circuits.patchable import TransformerShape

#: How many layouts are drawn; the one with the most whole circuits is used.
_DRAWN = 64
#: How many placements are tried for one more whole circuit.
_TRIES = 32


@dataclass(frozen=True)
class Copy:
    """A node with the same function as a node of the circuit.

    Attributes:
        node: The node.
        original: The node of the circuit that it is a copy of; nodes of the circuit are copies of themselves.
        reads: Node of the circuit that the original reads -> copy of it that this one reads; there is none for what no
            earlier node supplies.
    """

    node: str
    original: str
    reads: Mapping[str, str]


def layout(shape: TransformerShape, read: Mapping[str, Sequence[str]], generator: torch.Generator) -> list[Copy]:
    """Choose a copy for every node of the kinds that a circuit has.

    Args:
        shape: The architecture.
        read: Node of the circuit -> nodes of the circuit that it reads.
        generator: The source of all random choices.

    Returns:
        The circuit's nodes first, then the others.
    """
    drawn = [_Layout(shape, read, generator) for _ in range(_DRAWN)]
    best = max(drawn, key=lambda one: one.whole)
    return best.filled()


def computed_before(node: str, other: str) -> bool:
    """Whether the output of `node` reaches `other`: heads of a layer come before its MLP, not before each other."""
    (layer, head), (later, other_head) = layer_and_head(node), layer_and_head(other)
    return (layer, head is None) < (later, other_head is None)


class _Layout:
    """The circuit, and as many whole copies of it as fit in one random order of trials."""

    def __init__(self, shape: TransformerShape, read: Mapping[str, Sequence[str]], generator: torch.Generator) -> None:
        self._read, self._generator = read, generator
        self._order = sorted(read, key=lambda node: (layer_and_head(node)[0], node[0] == "m", node))
        kinds = {node[0] for node in read}
        self._free = [node for node in shape.nodes if node[0] in kinds and node not in read]
        self._copies = [Copy(node, node, {parent: parent for parent in read[node]}) for node in self._order]
        self.whole = 0
        while self._one_more():
            self.whole += 1

    def filled(self) -> list[Copy]:
        """All copies, those that fill what is left over included."""
        for node in list(self._free):
            self._copies.append(self._single(node))
        self._free = []
        return self._copies

    def _one_more(self) -> bool:
        """Place another whole circuit, if there is room."""
        for _ in range(_TRIES):
            places: dict[str, str] = {}
            for original in self._order:
                fitting = [
                    node
                    for node in self._free
                    if node[0] == original[0]
                    and node not in places.values()
                    and all(computed_before(places[parent], node) for parent in self._read[original])
                ]
                if not fitting:
                    break
                places[original] = self._pick(fitting)
            else:
                for original, node in places.items():
                    self._copies.append(Copy(node, original, {p: places[p] for p in self._read[original]}))
                    self._free.remove(node)
                return True
        return False

    def _single(self, node: str) -> Copy:
        """A copy of the node of its kind that has the fewest, among those whose inputs are there."""
        count = Counter(copy.original for copy in self._copies)
        choices = [original for original in self._order if original[0] == node[0]]
        supplied = [one for one in choices if all(self._suppliers(parent, node) for parent in self._read[one])]
        original = self._fewest(supplied or choices, count)
        readers = Counter(read for copy in self._copies for read in copy.reads.values())
        reads = {}
        for parent in self._read[original]:
            suppliers = self._suppliers(parent, node)
            if suppliers:
                reads[parent] = self._fewest(suppliers, readers)
        return Copy(node, original, reads)

    def _suppliers(self, original: str, reader: str) -> list[str]:
        return [c.node for c in self._copies if c.original == original and computed_before(c.node, reader)]

    def _fewest(self, choices: Iterable[str], count: Counter[str]) -> str:
        listed = list(choices)
        least = min(count[choice] for choice in listed)
        return self._pick([choice for choice in listed if count[choice] == least])

    def _pick(self, choices: Sequence[str]) -> str:
        return choices[int(torch.randint(len(choices), (1,), generator=self._generator))]
