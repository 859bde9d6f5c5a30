"""The hidden side of an instance of ``circuits/mechanism``: triples and the model's labels for them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch

from ground_truth.circuits.mechanisms.base import Base
from scribe_suite.planting.circuits.causal import CausalModel, Correspondence
from scribe_suite.planting.circuits.interchange import Pairs
from scribe_suite.planting.circuits.patchable import PatchableTransformer
from scribe_suite.planting.circuits.programs.source import predict_source
from scribe_suite.planting.circuits.programs.triples import Triples, draw_triples, network_labels, program_labels
from scribe_suite.planting.hooked import ModelWeights
from scribe_suite.planting.symmetries import Symmetry
from scribe_suite.scoring.mechanism import Patched, balanced_match

#: Number of hidden triples in each stratum.
PER_STRATUM = 250


@dataclass(frozen=True)
class Hidden:
    """The hidden data of an instance, in the instance's own names.

    Triples and labels are computed on first use: they would take most of the time that an instance takes.

    Attributes:
        causal: The causal model that the network computes.
        correspondence: The nodes of its variables.
        weights: The network's weights.
        base: The base model, in its own names.
        symmetry: From the base model to the instance.
        seed: Seed of the triples.
    """

    causal: CausalModel
    correspondence: Correspondence
    weights: ModelWeights
    base: Base
    symmetry: Symmetry
    seed: int

    @cached_property
    def triples(self) -> Triples:
        """The hidden triples."""
        return draw_triples(self.causal, self.correspondence, self._network.shape.nodes, PER_STRATUM, self.seed)

    @cached_property
    def truth(self) -> list[Patched]:
        """The model's label for each triple, and for its prompts without patches; they are the ground truth."""
        pairs, last = self.triples.pairs, self.causal.n_ctx - 1
        none: list[list[str]] = [[] for _ in self.triples.patched]
        there = Pairs(pairs.source, pairs.source)
        rows = zip(
            self.triples.strata,
            network_labels(self._network, pairs, self.triples.patched, last).tolist(),
            network_labels(self._network, pairs, none, last).tolist(),
            network_labels(self._network, there, none, last).tolist(),
            strict=True,
        )
        return [Patched(*row) for row in rows]

    @cached_property
    def ceiling(self) -> float:
        """The score of the program itself."""
        return balanced_match(program_labels(self.causal, self.triples).tolist(), self.truth)

    @property
    def source(self) -> str:
        """The program as code that an agent could have submitted."""
        return predict_source(self.base.program, self.correspondence, self.symmetry)

    @cached_property
    def _network(self) -> PatchableTransformer:
        with torch.no_grad():
            return PatchableTransformer.from_weights(self.weights)
