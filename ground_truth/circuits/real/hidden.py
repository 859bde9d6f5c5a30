"""The hidden side of an instance about a circuit of a real language model."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from scribe_suite.models.evaluator import evaluator_model
from scribe_suite.scoring.circuit_curve import CurveMeter
from scribe_suite.scoring.circuit_patching import PromptPairs


@dataclass(frozen=True)
class Hidden:
    """The evaluator's data.

    Attributes:
        spec: Specification of the model.
        pairs: Prompts that no agent sees.
    """

    spec: str
    pairs: PromptPairs

    @cached_property
    def meter(self) -> CurveMeter:
        """Measures rankings on the pairs."""
        return CurveMeter(evaluator_model(self.spec), self.pairs)
