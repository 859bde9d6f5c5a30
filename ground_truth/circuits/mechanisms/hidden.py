"""The hidden side of an instance of ``circuits/mechanism``: triples, and what the model says of them."""

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

#: Hidden triples of every stratum.
PER_STRATUM = 250


@dataclass(frozen=True)
class Hidden:
    """What the evaluator keeps, in the instance's own names.

    Triples and labels are made when they are asked for: most of the time an instance takes would be theirs.

    Attributes:
        causal: What the model computes.
        correspondence: Where.
        weights: The model.
        base: What it was made of, in other names.
        symmetry: Between the two.
        seed: Of the triples.
    """

    causal: CausalModel
    correspondence: Correspondence
    weights: ModelWeights
    base: Base
    symmetry: Symmetry
    seed: int

    @cached_property
    def triples(self) -> Triples:
        """What no agent sees."""
        return draw_triples(self.causal, self.correspondence, self._network.shape.nodes, PER_STRATUM, self.seed)

    @cached_property
    def truth(self) -> list[Patched]:
        """What the model says of each triple, and without patches of its prompts; what it says is right."""
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
