"""What is wrong with the name of an edge, and how to correct it."""

from __future__ import annotations

import re
from collections.abc import Collection

from scribe_suite.tasks.answers import SHOWN_NAME
from scribe_suite.text import shortened

_FORM = re.compile(r"(embed|a\d+\.h\d+|m\d+)->(?:(a\d+\.h\d+)\.([qkv])|(m\d+))", re.ASCII)
_WRITTEN = "edges are written like 'a0.h1->m2' or 'a1.h0->a3.h2.q'"


def edge_fault(name: str, nodes: Collection[str], edges: Collection[str]) -> str:
    """Why a name is not that of a possible edge; empty when it is.

    Args:
        name: The name as submitted.
        nodes: The nodes between which edges are asked for.
        edges: The names of all possible edges.
    """
    if name in edges:
        return ""
    shown = f"'{shortened(name, SHOWN_NAME)}'"
    match = _FORM.fullmatch(name)
    if match is None:
        return f"{shown} is no edge: {_hint(name)}"
    writer, reader = match[1], match[2] or match[4]
    for node in (writer, reader):
        if node != "embed" and node not in nodes:
            return f"{shown}: {node} is not among the nodes that edges are asked for"
    return f"{shown}: {reader} does not read {writer}, which is computed later or at the same time"


def _hint(name: str) -> str:
    writer, arrow, reader = name.partition("->")
    if arrow and re.fullmatch(r"a\d+\.h\d+", reader, re.ASCII):
        return f"say with which input the head reads: {shortened(reader, SHOWN_NAME)}.q, .k or .v"
    if arrow and re.fullmatch(r"m\d+\.\w+", reader, re.ASCII):
        return f"an MLP has one input, so write {reader.partition('.')[0]}"
    if arrow and reader in ("embed", "logits"):
        return f"edges end at heads and MLPs, not at {reader}"
    if arrow and writer.endswith((".q", ".k", ".v")):
        return "the input stands with the reader, behind the arrow"
    return _WRITTEN
