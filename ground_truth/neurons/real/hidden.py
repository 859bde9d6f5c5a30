"""The hidden side of the neuron tasks' instances on a real model: the statistics of all neurons, by what is asked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from jaxtyping import Float

from scribe_suite.scoring.neuron_share import Places, top, top_mean


@dataclass(frozen=True)
class AskedProperty:
    """A property in one instance: of text, or of tokens.

    Attributes:
        name: What is asked for.
        places: For how many neurons.
        reference: What a good choice reaches.
        untrained: Mean of the best neurons of the untrained twin.
        measure: Gives the hidden statistic of all neurons, layer by layer.
    """

    name: str
    places: int
    reference: float
    untrained: float
    measure: Callable[[], Float[np.ndarray, " neuron"]] = field(repr=False)

    @cached_property
    def statistic(self) -> Float[np.ndarray, " neuron"]:
        """The hidden statistic, when it is first needed."""
        return self.measure().astype(np.float64)

    @cached_property
    def best(self) -> list[int]:
        """The best neurons."""
        return top(self.statistic, self.places)

    def scored(self, neurons: Sequence[int]) -> Places:
        """Some neurons as a scorer wants them."""
        return Places(
            given=[float(self.statistic[neuron]) for neuron in neurons],
            places=self.places,
            best=top_mean(self.statistic, self.places),
            reference=self.reference,
            untrained=self.untrained,
        )


@dataclass(frozen=True)
class Hidden:
    """What the evaluator knows: the properties asked for, one or (letters) several."""

    asked: tuple[AskedProperty, ...]
