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
    """What the evaluator keeps, in the instance's own names.

    Attributes:
        causal: What the model computes.
        correspondence: Where.
        weights: The model.
        held_out: Pairs that no agent sees.
    """

    causal: CausalModel
    correspondence: Correspondence
    weights: ModelWeights
    held_out: Pairs

    @cached_property
    def meter(self) -> FaithfulnessMeter:
        """Measures what answers do to the behaviour."""
        return FaithfulnessMeter(PatchableTransformer.from_weights(self.weights), self.causal, self.held_out)

    def with_note(self, score: Score, submitted: Collection[str]) -> Score:
        """A score with a note that says what the submitted nodes do to the behaviour.

        That is no metric, since it is the same for the right nodes and for all nodes.
        """
        return replace(score, notes=(*score.notes, self.meter.measure(submitted).note))
