"""The hidden side of an instance with a planted circuit."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from functools import cached_property

from scribe_suite.planting.circuits.causal import CausalModel, Correspondence
from scribe_suite.planting.circuits.interchange import Pairs
from scribe_suite.planting.circuits.patchable import PatchableTransformer
from scribe_suite.planting.hooked import ModelWeights
from scribe_suite.scoring.faithfulness import FaithfulnessMeter
from scribe_suite.tasks.task import Score


@dataclass(frozen=True)
class Hidden:
    """The hidden data of an instance, in the instance's own names.

    Attributes:
        causal: The causal model that the network computes.
        correspondence: The nodes of its variables.
        weights: The network's weights.
        held_out: Held-out pairs.
    """

    causal: CausalModel
    correspondence: Correspondence
    weights: ModelWeights
    held_out: Pairs

    @cached_property
    def meter(self) -> FaithfulnessMeter:
        """Measures the effect of submitted nodes on the behaviour."""
        return FaithfulnessMeter(PatchableTransformer.from_weights(self.weights), self.causal, self.held_out)

    def with_note(self, score: Score, submitted: Collection[str]) -> Score:
        """The score with a note on the effect of the submitted nodes on the behaviour.

        The effect is not a metric, because it is the same for the right nodes and for all nodes.
        """
        return replace(score, notes=(*score.notes, self.meter.measure(submitted).note))
