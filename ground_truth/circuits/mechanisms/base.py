"""Base models that run a program: the program is frozen beside the weights, since its sampler may change."""

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
    """What instances are made from.

    Attributes:
        name: Of the base model.
        weights: Its weights.
        program: What it computes.
        correspondence: Where, one node for each variable.
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
    """The truth as it is frozen: where the variables are, which is computed from which, and how."""
    return {
        "variables": {name: list(nodes) for name, nodes in correspondence.items()},
        "edges": [list(edge) for edge in program.edges],
        "program": program.as_record(),
    }
