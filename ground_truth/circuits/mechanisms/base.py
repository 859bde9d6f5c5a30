"""Base models that run a program; it is frozen next to the weights, because its sampler may change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from scribe_suite.planting.circuits.causal import Correspondence
from scribe_suite.planting.circuits.programs.program import Program
from scribe_suite.planting.frozen import FrozenModel
from scribe_suite.planting.hooked import ModelWeights


@dataclass(frozen=True)
class Base:
    """A base model from which instances are made.

    Attributes:
        name: Name of the base model.
        weights: Its weights.
        program: The program that it runs.
        correspondence: The node of each variable.
    """

    name: str
    weights: ModelWeights
    program: Program
    correspondence: Correspondence

    @classmethod
    def of(cls, model: FrozenModel) -> Base:
        """A frozen base model."""
        key = model.record.key
        where = {name: tuple(nodes) for name, nodes in key["variables"].items()}
        return cls(model.name, model.weights, Program.of_record(key["program"]), where)


def key_of(program: Program, correspondence: Correspondence) -> Mapping[str, Any]:
    """The ground truth in its frozen form: the nodes, parents and tables of all variables."""
    return {
        "variables": {name: list(nodes) for name, nodes in correspondence.items()},
        "edges": [list(edge) for edge in program.edges],
        "program": program.as_record(),
    }
