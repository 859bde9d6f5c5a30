"""Edges of a network: the writer, the reader, and the reader's input.

An edge is written ``a0.h1->m2`` or ``a1.h0->a3.h2.q``: an MLP has one input, a head has three, for its queries, keys
and values. The embedding (``embed``) writes too, and ``logits`` reads the final stream.
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

#: The input with which a node reads; an MLP and the unembedding have only one.
Role = Literal["q", "k", "v", "in"]
HEAD_ROLES: tuple[Role, ...] = ("q", "k", "v")
ROLES: tuple[Role, ...] = get_args(Role)

EMBED, LOGITS = "embed", "logits"

#: Operation of a variable -> the role in which its node reads each of its inputs.
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
        role: The input with which it reads.
    """

    writer: str
    reader: str
    role: Role = "in"

    @property
    def receiver(self) -> str:
        """The reader and its input, as in the edge's name."""
        return self.reader if self.role == "in" else f"{self.reader}.{self.role}"

    def __str__(self) -> str:
        """The edge's name."""
        return f"{self.writer}->{self.receiver}"


def roles_of(node: str) -> tuple[Role, ...]:
    """The inputs that a node has."""
    return HEAD_ROLES if node[0] == "a" else ("in",)


def order_of(node: str) -> tuple[int, bool, str]:
    """A key that sorts nodes in the order of computation."""
    layer, head = layer_and_head(node)
    return layer, head is None, node


def edges_between(nodes: Collection[str]) -> list[Edge]:
    """All possible edges between nodes, and from the embedding to them, in the order of computation."""
    ordered = sorted(nodes, key=order_of)
    return [
        Edge(writer, reader, role)
        for reader in ordered
        for role in roles_of(reader)
        for writer in (EMBED, *(node for node in ordered if computed_before(node, reader)))
    ]


def edges_to_logits(nodes: Collection[str]) -> list[Edge]:
    """The edges from every node and the embedding to the unembedding."""
    return [Edge(writer, LOGITS) for writer in (EMBED, *sorted(nodes, key=order_of))]


def inputs_of(program: Program, variable: str) -> list[tuple[str, Role]]:
    """The inputs of a variable (a variable or `EMBED`) and their roles; each pair once."""
    part = program.by_name[variable]
    roles: Sequence[Role] = ROLES_OF[part.operation] if part.is_head else tuple("in" for _ in part.inputs)
    known = [EMBED if class_number(source) is not None else source for source in part.inputs]
    return list(dict.fromkeys(zip(known, roles, strict=True)))


def wiring_of(program: Program, correspondence: Correspondence) -> list[Edge]:
    """The edges by which the variables of a program are computed from each other and from tokens.

    Args:
        program: The program, which defines the inputs of each variable.
        correspondence: The node of each variable.
    """
    where = {name: nodes[0] for name, nodes in correspondence.items()} | {EMBED: EMBED}
    return [
        Edge(where[source], where[name], role)
        for name in program.variables
        for source, role in inputs_of(program, name)
    ]
