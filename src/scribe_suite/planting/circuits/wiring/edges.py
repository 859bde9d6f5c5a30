"""Edges of a network: who writes, who reads, and with which of its inputs.

An edge is written ``a0.h1->m2`` or ``a1.h0->a3.h2.q``: an MLP has one input, a head has three, for its queries, keys
and values. The embedding (``embed``) writes too, and what reads the last stream is ``logits``.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from scribe_suite.planting.circuits.blocks import layer_and_head
from scribe_suite.planting.circuits.causal import Correspondence
from scribe_suite.planting.circuits.layout import computed_before
from scribe_suite.planting.circuits.programs.program import Program
from scribe_suite.planting.circuits.programs.variables import Operation, class_number

#: With which input a node reads; an MLP and the unembedding have one.
Role = Literal["q", "k", "v", "in"]
HEAD_ROLES: tuple[Role, ...] = ("q", "k", "v")
ROLES: tuple[Role, ...] = get_args(Role)

EMBED, LOGITS = "embed", "logits"

#: By what a variable does: the role in which its node reads each of its inputs.
ROLES_OF: dict[Operation, tuple[Role, ...]] = {
    "back": ("v",),
    "at": ("v",),
    "marked": ("k", "v"),
    "latest": ("k", "v"),
    "pointed": ("q", "v"),
    "count": ("v",),
}


@dataclass(frozen=True, order=True)
class Edge:
    """One edge.

    Attributes:
        writer: A head, an MLP, or ``embed``.
        reader: A head, an MLP, or ``logits``.
        role: With which input it reads.
    """

    writer: str
    reader: str
    role: Role = "in"

    @property
    def receiver(self) -> str:
        """The reader with its input, as in the name of the edge."""
        return self.reader if self.role == "in" else f"{self.reader}.{self.role}"

    def __str__(self) -> str:
        """Its name."""
        return f"{self.writer}->{self.receiver}"


def roles_of(node: str) -> tuple[Role, ...]:
    """The inputs that a node has."""
    return HEAD_ROLES if node[0] == "a" else ("in",)


def order_of(node: str) -> tuple[int, bool, str]:
    """Sorts nodes by when they are computed."""
    layer, head = layer_and_head(node)
    return layer, head is None, node


def edges_between(nodes: Collection[str]) -> list[Edge]:
    """All edges that there can be between some nodes, and from the embedding to them, in the order of computation."""
    ordered = sorted(nodes, key=order_of)
    return [
        Edge(writer, reader, role)
        for reader in ordered
        for role in roles_of(reader)
        for writer in (EMBED, *(node for node in ordered if computed_before(node, reader)))
    ]


def edges_to_logits(nodes: Collection[str]) -> list[Edge]:
    """From every node and the embedding to the unembedding."""
    return [Edge(writer, LOGITS) for writer in (EMBED, *sorted(nodes, key=order_of))]


def inputs_of(program: Program, variable: str) -> list[tuple[str, Role]]:
    """What a variable reads, and in which role: a variable or `EMBED`; each pair once."""
    part = program.by_name[variable]
    roles: Sequence[Role] = ROLES_OF[part.operation] if part.is_head else tuple("in" for _ in part.inputs)
    known = [EMBED if class_number(source) is not None else source for source in part.inputs]
    return list(dict.fromkeys(zip(known, roles, strict=True)))


def wiring_of(program: Program, correspondence: Correspondence) -> list[Edge]:
    """The edges by which the variables of a program are computed from each other and from tokens.

    Args:
        program: Which variable reads which.
        correspondence: Where they are, one node for each.
    """
    where = {name: nodes[0] for name, nodes in correspondence.items()} | {EMBED: EMBED}
    return [
        Edge(where[source], where[name], role)
        for name in program.variables
        for source, role in inputs_of(program, name)
    ]
