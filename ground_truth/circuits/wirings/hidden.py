"""The hidden side of an instance of ``circuits/edges``: the right edges, and what can check them."""

from __future__ import annotations

from dataclasses import dataclass

from scribe_suite.planting.circuits.causal import CausalModel, Correspondence
from scribe_suite.planting.hooked import ModelWeights


@dataclass(frozen=True)
class Hidden:
    """What the evaluator keeps, in the instance's own names.

    Attributes:
        causal: What the model computes.
        correspondence: Where.
        weights: The model.
        key: The right edges, by name.
    """

    causal: CausalModel
    correspondence: Correspondence
    weights: ModelWeights
    key: frozenset[str]
