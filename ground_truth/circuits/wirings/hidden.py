"""The hidden side of an instance of ``circuits/edges``: the right edges, and the model to check them with."""

from __future__ import annotations

from dataclasses import dataclass

from scribe_suite.planting.circuits.causal import CausalModel, Correspondence
from scribe_suite.planting.hooked import ModelWeights


@dataclass(frozen=True)
class Hidden:
    """The hidden data of an instance, in the instance's own names.

    Attributes:
        causal: The causal model that the network computes.
        correspondence: The nodes of its variables.
        weights: The network's weights.
        key: The right edges, by name.
    """

    causal: CausalModel
    correspondence: Correspondence
    weights: ModelWeights
    key: frozenset[str]
